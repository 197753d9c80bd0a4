"""Every word of the page has a Chinese translation that keeps its places."""

from __future__ import annotations

import re
from pathlib import Path

import convnets.studio.app
from convnets.studio.lab.questions import QUESTIONS

FRONT = Path(convnets.studio.app.__file__).parent / "front"
STRING = r'"((?:[^"\\]|\\.)*)"'


def _translations() -> dict[str, str]:
    return dict(re.findall(f"{STRING}: {STRING}", (FRONT / "words.zh.js").read_text("utf-8")))


def _words() -> set[str]:
    found: set[str] = set()
    for path in FRONT.rglob("*.js"):
        text = path.read_text("utf-8")
        if path.name in ("words.zh.js", "words.js"):
            continue
        found |= set(re.findall(r"\bt\(\s*" + STRING, text))
        for choice in re.findall(r"\bt\([^()]*\?[^()]*\)", text):
            found |= set(re.findall(STRING, choice))
        for listed in re.findall(
            r"^const (?:TABS|CURVES|STRIPS|STEPS) = \[(.*?)\];", text, flags=re.S | re.M
        ):
            found |= {words for _, words in re.findall(rf"\[{STRING}, {STRING}\]", listed)}
        found |= set(re.findall(rf"title: {STRING}, bar", text))
    for question in QUESTIONS.values():
        found |= {question.words, question.why, *question.answers}
    return found


def test_every_word_is_translated_and_keeps_its_places() -> None:
    known, words = _translations(), _words()
    assert len(words) > 350
    assert words - set(known) == set()
    for english, chinese in known.items():
        assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", chinese)), english

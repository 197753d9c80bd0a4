"""The first page: short, run block by block, the same in both languages."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import blocks_of

README = Path(__file__).parents[2] / "README.md"
CHINESE = README.with_name("README.zh-CN.md")


def test_its_blocks_run_from_top_to_bottom(
    run_blocks: Callable[[Path], dict[str, Any]], tmp_path: Path
) -> None:
    names = run_blocks(README)
    assert names["run"].status == "finished"
    assert (tmp_path / "runs" / "first" / "report.html").exists()
    assert (tmp_path / "patches.html").exists()
    assert sum(block.runs for block in blocks_of(README)) == 2


def test_five_means_five() -> None:
    commands, python = (block for block in blocks_of(README) if block.runs)
    assert len(list(commands.commands())) == 5
    assert len([line for line in python.text.splitlines() if line]) <= 5


def test_it_stays_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) < 150


def test_both_languages_have_the_same_code_commands_and_figures() -> None:
    assert blocks_of(README) == blocks_of(CHINESE)
    english, chinese = (
        re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
        for page in (README, CHINESE)
    )
    for pattern in (
        r"^#+ ",  # headings and their depth, in order
        r"\]\((?!README)[^)]*\)",  # links
    ):
        mine, theirs = (re.findall(pattern, text, flags=re.MULTILINE) for text in (english, chinese))
        assert mine, pattern
        assert mine == [found.replace(".zh.md", ".md") for found in theirs], pattern
    for pattern in (r"`([^`\n]+)`", r"\d[\d.,]*\d"):  # commands, and figures
        mine, theirs = (set(re.findall(pattern, text)) for text in (english, chinese))
        assert mine == theirs


@pytest.mark.parametrize("readme", [README, CHINESE], ids=["english", "chinese"])
def test_the_links_lead_somewhere(readme: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", readme.read_text("utf-8"))
    assert targets
    for target in targets:
        assert (README.parent / target).exists(), target

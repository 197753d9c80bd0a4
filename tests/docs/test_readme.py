"""The README's tour runs, block by block, in an empty folder."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).parent.parent / "README.md"


def blocks() -> list[tuple[str, str]]:
    """(language, text) of each block of the tour, in order."""
    tour = README.read_text("utf-8").split("## Tour", 1)[1].split("## Measured", 1)[0]
    return re.findall(r"```(\w+)\n(.*?)```", tour, flags=re.DOTALL)


def test_the_tour_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from convnets.cli.main import run

    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}
    found = blocks()
    assert {language for language, _ in found} == {"bash", "python"}
    for language, text in found:
        if language == "python":
            exec(compile(text, "README.md", "exec"), namespace)
            continue
        for line in text.strip().splitlines():
            command, *arguments = shlex.split(line)
            assert command == "convnets"
            with pytest.raises(SystemExit) as ended:
                run(arguments)
            assert ended.value.code == 0, f"{line}\n{capsys.readouterr().err}"
    assert namespace["features"].shape == (8, 16, 4, 4)
    assert namespace["run"].status == "finished"
    assert (tmp_path / "digits.png").exists()
    assert (tmp_path / "curves.svg").exists()


CHINESE = README.with_name("README.zh-CN.md")


def test_both_languages_have_the_same_code_commands_and_figures() -> None:
    english, chinese = README.read_text("utf-8"), CHINESE.read_text("utf-8")
    for pattern in (
        r"```\w+\n.*?```",  # blocks
        r"^#+ ",  # headings and their depth, in order
        r"\]\((?!README)[^)]*?(?:\.zh-CN)?(?:\.md)?\)",  # links
        r"\*\*[\d.± ]+\*\*",  # accuracies
    ):
        flags = re.DOTALL if pattern.startswith("```") else re.MULTILINE
        mine, theirs = (
            [found.replace(".zh-CN", "") for found in re.findall(pattern, text, flags=flags)]
            for text in (english, chinese)
        )
        assert mine, pattern
        assert mine == theirs, pattern
    spans = r"(?<!`)`([^`\n]+)`(?!`)"
    unblocked = [re.sub(r"```.*?```", "", text, flags=re.DOTALL) for text in (english, chinese)]
    ours, others = (set(re.findall(spans, text)) for text in unblocked)
    assert ours == others


@pytest.mark.parametrize("readme", [README, CHINESE], ids=["english", "chinese"])
def test_the_links_lead_somewhere(readme: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", readme.read_text("utf-8"))
    assert targets
    for target in targets:
        assert (README.parent / target).exists(), target

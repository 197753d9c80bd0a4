"""Blocks of code in documents, and how they are run: as a reader would, from top to bottom, in an empty folder."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
_NOT_RUN = re.compile(r' title="not run by the tests: (.+)"')


@dataclass(frozen=True)
class Block:
    """A block of code in a document."""

    language: str
    settings: str
    """What stands behind the language: a reason not to run it, which readers see too, or ` fails`."""
    text: str

    @property
    def runs(self) -> bool:
        """Whether the block is code, without a reason not to run it."""
        return self.language in ("python", "console", "bash") and not _NOT_RUN.fullmatch(self.settings)

    def commands(self) -> Iterator[tuple[str, list[str]]]:
        """Each command of a console, and the lines that it is said to write."""
        if self.language == "bash":
            yield from ((line, []) for line in self.text.splitlines())
            return
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            yield command, [line for line in shown if line != "…"]


def blocks_of(document: Path) -> list[Block]:
    """The blocks of a document, in order."""
    found = [Block(*parts) for parts in _FENCE.findall(document.read_text("utf-8"))]
    for block in found:
        allowed = not block.settings or block.settings == " fails" or _NOT_RUN.fullmatch(block.settings)
        assert allowed, f"{document.name}: ```{block.language}{block.settings}"
    return found


def check_shown(shown: list[str], written: str, command: str) -> None:
    """Each line that a page shows was written, in this order; … stands for anything."""
    lines = iter(written.splitlines())
    for line in shown:
        pattern = re.compile(re.escape(line.rstrip()).replace("…", ".*"))
        assert any(pattern.fullmatch(each.rstrip()) for each in lines), f"$ {command}\ndid not write: {line}"


@pytest.fixture
def run_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[Path], dict[str, Any]]:
    """`run_blocks(document)` runs its blocks in an empty folder and returns the names that its Python defined."""
    from convnets.cli.main import run

    def command(line: str, status: int) -> str:
        name, *arguments = shlex.split(line)
        assert name == "convnets", f"{line}: a block that is run holds commands of convnets only"
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run(arguments)
        written = "".join(capsys.readouterr())
        assert (ended.value.code or 0) == status, f"$ {line}\n{written}"
        return written

    def run_all(document: Path) -> dict[str, Any]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("CONVNETS_TUNE", "0")  # trying kernels pays for longer runs
        namespace: dict[str, Any] = {}
        for block in filter(lambda block: block.runs, blocks_of(document)):
            if block.language == "python":
                exec(compile(block.text, document.name, "exec"), namespace)
                continue
            for line, shown in block.commands():
                check_shown(shown, command(line, 2 if block.settings == " fails" else 0), line)
        return namespace

    return run_all

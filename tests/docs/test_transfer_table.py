"""What docs/transfer.md shows runs, block by block, in an empty folder, and prints the line that stands there."""

from __future__ import annotations

import json
import re
import shlex
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "transfer.md").read_text("utf-8")


def test_its_commands_and_listings_run(
    convnets: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}
    said = ""
    for language, text in re.findall(r"```(bash|python)\n(.*?)```", PAGE, flags=re.DOTALL):
        if language == "python":
            exec(compile(text, "transfer.md", "exec"), namespace)
            continue
        for line in text.strip().splitlines():
            ended = convnets(*shlex.split(line)[1:])
            assert (ended.status, ended.err) == (0, ""), line
            said += ended.out
    (shown,) = re.findall(r"```text\n(.*?)\n```", PAGE)
    assert shown in said.splitlines()


def test_its_table_is_that_of_the_runs() -> None:
    rows = json.loads((DOCS / "transfer.json").read_text("utf-8"))["runs"]
    for way in ("from scratch", "from trained weights"):
        cells = []
        for shots in (50, 200, 1000):
            each = [row["accuracy"] for row in rows if (row["way"], row["shots"]) == (way, shots)]
            assert len(each) == 5
            cells.append(f"{statistics.mean(each):.3f} ± {statistics.stdev(each):.3f}")
        assert f"| {way} | {' | '.join(cells)} |" in PAGE

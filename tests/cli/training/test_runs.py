"""`convnets runs`: every run with its end, also those that did not come to one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convnets.training.runs.run import Run


@pytest.fixture
def folder(digits_run: Run, tmp_path: Path) -> Path:
    for name in ("a-finished", "b-cut", "c-damaged"):
        shutil.copytree(digits_run.path, tmp_path / "runs" / name)
    log = tmp_path / "runs" / "b-cut" / "events.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:-1]))
    (tmp_path / "runs" / "c-damaged" / "config.json").write_text("{")
    (tmp_path / "runs" / "notes").mkdir()
    return tmp_path / "runs"


def test_each_run_is_a_line_with_its_end(convnets: Callable[..., Any], folder: Path) -> None:
    lines = convnets("runs", folder).out.splitlines()
    assert lines[0].split() == ["run", "network", "epochs", "validation", "test", "status"]
    assert [line.split()[0] for line in lines[1:]] == ["a-finished", "b-cut", "c-damaged"]
    assert lines[1].endswith("finished")
    assert lines[2].endswith("cut off")
    assert "damaged" in lines[3]
    assert "config.json cannot be read" in lines[3]


def test_json_has_numbers(convnets: Callable[..., Any], folder: Path, digits_run: Run) -> None:
    rows = convnets("runs", folder, "--json").json
    assert [row["status"] for row in rows[:2]] == ["finished", "cut off"]
    assert rows[0]["epochs_done"] == len(digits_run.metrics)
    assert rows[0]["test_accuracy"] == digits_run.results["test"]["accuracy"]


def test_a_folder_that_is_not_there_or_empty(
    convnets: Callable[..., Any], refused: Callable[..., str], tmp_path: Path
) -> None:
    assert "is not a folder; give the one that runs lie in" in refused(1, "runs", tmp_path / "none")
    assert "no runs in" in convnets("runs", tmp_path).out

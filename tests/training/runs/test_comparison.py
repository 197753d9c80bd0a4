"""Runs side by side: what differs is shown, what is equal is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from convnets.errors import RunError
from convnets.training.config import TrainConfig
from convnets.training.runs.comparison import compare_runs
from convnets.training.runs.run import Run
from convnets.training.train import train


def test_options_that_differ_and_results_are_shown(tmp_path: Path) -> None:
    config = TrainConfig(epochs=1, batch_size=256)
    first = train("mlp", "digits", config, output=tmp_path, listeners=())
    second = train(
        "softmax", "digits", replace(config, epochs=2, validation=0.0), output=tmp_path, listeners=()
    )
    comparison = compare_runs([first, second])
    found = comparison.to_dict()
    assert found["differences"] == {"epochs": [1, 2], "validation": [0.1, 0.0]}
    assert [run["test_accuracy"] for run in found["runs"]] == [
        r.results["test"]["accuracy"] for r in (first, second)
    ]
    assert [run["parameters"] for run in found["runs"]] == [203_530, 7_850]
    header, rows = comparison.table()
    assert header == ["", "mlp-digits-1", "softmax-digits-1"]
    by_name = {row[0]: row[1:] for row in rows}
    assert by_name["validation accuracy"][1] == "–"
    assert by_name["epochs"] == ["1", "2"]
    picture = comparison.draw(tmp_path / "curves.svg").read_text()
    assert "mlp-digits-1" in picture
    assert "softmax-digits-1 (training)" in picture


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="lacks config"):
        Run(tmp_path)
    with pytest.raises(RunError, match="does not exist"):
        Run(tmp_path / "none")

"""`convnets evaluate --corruptions`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from convnets.selection.robustness.corruptions import CORRUPTIONS
from convnets.training.runs.run import Run


def test_a_table_and_a_chart(
    convnets: Callable[..., Any], refused: Callable[..., str], digits_run: Run, tmp_path: Path
) -> None:
    found = convnets("evaluate", digits_run.path, "--corruptions", "--picture", tmp_path / "c.png", "--json")
    assert found.status == 0
    assert list(found.json["accuracy"]) == list(CORRUPTIONS)
    assert found.json["clean"] == digits_run.results["test"]["accuracy"]
    assert (tmp_path / "c.png").stat().st_size > 10_000
    assert found.json.keys().isdisjoint({"against", "relative_error"})
    assert "without --corruptions" in refused(2, "evaluate", digits_run.path, "--picture", tmp_path / "c.png")
    said = refused(2, "evaluate", digits_run.path, "--segments", "x")
    assert "--segments is for tables and series" in said


def test_relative_error_and_a_sheet(convnets: Callable[..., Any], digits_run: Run, tmp_path: Path) -> None:
    sheet = tmp_path / "below" / "sheet.png"
    told = convnets(
        "evaluate", digits_run.path, "--corruptions", "--against", digits_run.path, "--sheet", sheet
    )
    assert told.status == 0
    assert f"errors relative to {digits_run.path}: 1.000" in told.out
    with Image.open(sheet) as drawn:
        assert drawn.height > drawn.width  # eighteen rows of six

"""`convnets lr-find` and `learning-curve`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_both_curves(convnets: Callable[..., Any], refused: Callable[..., str], tmp_path: Path) -> None:
    rates = convnets("lr-find", "mlp", "--threads", 1, "--steps", 60, "--picture", tmp_path / "r.png")
    assert rates.status == 0
    assert rates.out.startswith("suggested learning rate")
    own = ("--fractions", "0.1,0.3,0.9", "--epochs", 1, "--threads", 1, "-o", tmp_path, "--lr", 0.01)
    found = convnets("learning-curve", "softmax", *own, "--picture", tmp_path / "c.png", "--json")
    assert len(found.json["points"]) == 3
    assert (tmp_path / "r.png").stat().st_size > 5000
    assert (tmp_path / "c.png").stat().st_size > 5000
    assert "numbers with commas" in refused(2, "learning-curve", "mlp", "--fractions", "a,b")

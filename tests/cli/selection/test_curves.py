"""`convnets lr-find` and `learning-curve`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


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


def test_the_lab_and_the_widths(
    convnets: Callable[..., Any], refused: Callable[..., str], tmp_path: Path
) -> None:
    short = ("--epochs", 1, "--threads", 1, "-o", tmp_path, "--lr", 0.01, "--images", 100)
    axes = ("--rows", "max-norm=1,3", "--columns", "dropout=0,0.5")
    lab = convnets("regularization", "mlp", *axes, *short, "--picture", tmp_path / "l.png", "--json")
    assert [each["row"] for each in lab.json["cells"]] == [1, 1, 3, 3]
    assert lab.json["rows"][0] == "max_norm"
    widths = convnets(
        "bias-variance", "mlp", "--widths", "0.1,1", "--sets", 2, *short, "--picture", tmp_path / "b.png"
    )
    assert widths.status == 0
    assert "2 sets of 100 images each" in widths.out
    assert (tmp_path / "l.png").stat().st_size > 5000
    assert (tmp_path / "b.png").stat().st_size > 5000
    assert "such as weight_decay=0,0.05,0.5" in refused(2, "regularization", "mlp", "--rows", "dropout")
    assert "numbers with commas" in refused(2, "bias-variance", "mlp", "--widths", "wide")


def test_a_search_in_a_database_that_is_not_there(refused: Callable[..., str], tmp_path: Path) -> None:
    own = ("tune", "softmax", "-o", tmp_path, "-q", "--storage")
    assert "allowed: postgresql://USER@HOST:PORT/DATABASE" in refused(2, *own, "sqlite:///here.db")
    pytest.importorskip("psycopg", reason="psycopg is not installed (pip install 'convnets[postgresql]')")
    told = refused(1, *own, "postgresql://ann:secret@127.0.0.1:9/d")
    assert "postgresql://ann:…@127.0.0.1:9/d does not answer" in told

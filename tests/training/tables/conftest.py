"""A small table that holds everything: numbers with gaps, names, dates, a price and a grade; and a long series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="session")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 houses whose price depends on area, street and year, and whose grade on the price."""
    rng = np.random.default_rng(0)
    rows = 120
    area, year = rng.gamma(4, 30, rows), rng.integers(1950, 2020, rows)
    street = rng.choice(["Pave", "Grvl"], rows)
    price = np.exp(
        10 + area / 200 + (year - 1985) / 60 + 0.3 * (street == "Pave") + rng.normal(0, 0.05, rows)
    )
    frame = pd.DataFrame(
        {
            "Id": np.arange(1, rows + 1),
            "Area": np.where(rng.random(rows) < 0.1, np.nan, area.round(2)),
            "Year": year,
            "Street": np.where(rng.random(rows) < 0.1, None, street),
            "Sold": pd.date_range("2010-01-01", periods=rows, freq="7D").strftime("%Y-%m-%d"),
            "SalePrice": price.round(),
            "Grade": np.where(price > np.median(price), "high", "low"),
        }
    )
    path = tmp_path_factory.mktemp("houses") / "houses.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def tides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 steps of two channels, the second one following the first."""
    t = np.arange(300)
    x = np.sin(2 * np.pi * t / 12) + np.random.default_rng(0).normal(0, 0.1, 300)
    path = tmp_path_factory.mktemp("tides") / "tides.csv"
    day = pd.date_range("2020-01-01", periods=300).strftime("%Y-%m-%d")
    pd.DataFrame({"day": day, "x": x, "y": np.roll(x, 2)}).to_csv(path, index=False)
    return path

"""Targets: there and back to the number, and what cannot be learned refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from convnets.errors import ConfigError, ConvnetsError, DataError
from convnets.tables.load_table import load_table
from convnets.tables.table_set import TableSet
from convnets.tables.target import Target


def table(**columns: list[object]) -> TableSet:
    frame = pd.DataFrame({"a": np.arange(len(next(iter(columns.values())))) ** 2.0, **columns})
    return load_table(frame, list(columns))


@pytest.mark.parametrize("logarithm", [False, True])
def test_numbers_are_standardized_and_come_back(logarithm: bool) -> None:
    prices = np.random.default_rng(0).lognormal(12, 0.4, 50)
    given = table(price=prices.tolist(), rent=(prices / 100).tolist())
    target = Target.fit(given, logarithm=logarithm)
    target = Target.from_dict(json.loads(json.dumps(target.to_dict())))
    learned = target.encode(given)
    values = np.column_stack([prices, prices / 100])
    plain = np.log(values) if logarithm else values
    assert np.allclose(learned, (plain - plain.mean(0)) / plain.std(0), atol=1e-6)
    assert np.allclose(target.decode(learned), values, rtol=1e-6)
    assert target.outputs == 2


def test_classes_keep_the_order_of_training() -> None:
    target = Target.fit(table(y=["b", "a", "c", "a"]))
    assert target.classes == ("a", "b", "c")
    assert target.encode(table(y=["c", "a", "c", "a"])).tolist() == [2, 0, 2, 0]


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "none": (lambda: Target.fit(load_table(np.eye(3))), "no target; say which column to predict"),
    "missing": (lambda: Target.fit(table(y=[1.0, None, 2.0])), "'y' is missing in 1 of 3 rows, the first in row 2"),
    "constant": (lambda: Target.fit(table(y=[2.0, 2.0])), "'y' is the same in all 2 rows"),
    "constant class": (lambda: Target.fit(table(y=["a", "a"])), "'y' is the same in all 2 rows"),
    "logarithm": (lambda: Target.fit(table(y=[1.0, 0.0]), logarithm=True), "y is 0 in row 2, and log-rmse takes"),
    "names": (lambda: Target.fit(table(y=[f"n{i}" for i in range(30)])), "30 classes in 30 rows.*--numeric y"),
    "two classes": (lambda: Target.fit(table(y=["a", "b"], z=[1.0, 2.0])), "several targets"),
    "unknown class": (lambda: Target.fit(table(y=["a", "b"])).encode(table(y=["a", "x"])), "y is 'x', a class that"),
    "dates": (lambda: Target.fit(table(y=list(pd.date_range("2020", periods=3)))), "holds dates"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=list(BAD))
def test_what_cannot_be_learned_is_refused(case: str) -> None:
    call, message = BAD[case]
    with pytest.raises(DataError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_damaged_targets_are_refused() -> None:
    good = Target.fit(table(y=[1.0, 2.0])).to_dict()
    for damaged in ({}, {**good, "std": [0.0]}, {**good, "mean": []}, {**good, "names": 3}):
        with pytest.raises(ConvnetsError, match="the target of a table"):
            Target.from_dict(damaged)
    with pytest.raises(ConfigError):
        Target.from_dict({**good, "std": ["x"]})

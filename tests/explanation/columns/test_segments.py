"""Measures by segment against pandas and scikit-learn; intervals against SciPy and simulated errors."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn import metrics

from convnets.errors import DataError
from convnets.evaluation.evaluation import Evaluation
from convnets.evaluation.numbers import NumbersEvaluation
from convnets.explanation.columns.segments import cut_column, evaluate_segments, rmse_interval
from convnets.explanation.columns.segments_picture import segments_figure
from convnets.explanation.pictures.figure_file import write_figure
from convnets.tables.load_table import load_table
from convnets.tables.table_set import Column

LEVELS = (0.1, 0.5, 0.9)


def frame(rows: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "area": np.where(rng.random(rows) < 0.1, np.nan, rng.gamma(2, 30, rows)),
            "rooms": rng.integers(1, 5, rows).astype(float),
            "street $": rng.choice(["Pave", "Grvl", None], rows, p=[0.6, 0.3, 0.1]),
            "sold": pd.date_range("2020-01-01", periods=rows),
        }
    )


def judged(rows: int = 200, *, examples: str = "rows", quantiles: bool = False) -> NumbersEvaluation:
    rng = np.random.default_rng(1)
    true = rng.normal(size=(rows, 2))
    bounds = np.sort(true[:, :, None] + rng.normal(0, 0.5, (rows, 2, 3)), axis=2)
    return NumbersEvaluation(
        bounds[:, :, 1], true, ("u", "v"), 0.1, 0.0, "", examples, *((LEVELS, bounds) if quantiles else ())
    )


def test_measures_are_those_of_pandas_groups() -> None:
    data, evaluation = frame(), judged(quantiles=True)
    assert evaluation.bounds is not None
    for name in data:
        given = data[name]
        by = pd.qcut(given, 4) if name in ("area", "sold") else given
        found = evaluate_segments(evaluation, load_table(data).column(str(name)))
        sizes = by.value_counts(dropna=False)
        assert sorted(each.rows for each in found.segments) == sorted(sizes[sizes > 0].tolist())
        assert sum(each.rows for each in found.segments) == found.whole.rows == 200
        places = [np.flatnonzero(by == value) for value in sizes.index if value == value]
        places += [np.flatnonzero(given.isna())] if given.isna().any() else []
        for each in found.segments:
            near = [
                rows
                for rows in places
                if len(rows) == each.rows
                and each.measures["v"]["mae"]
                == pytest.approx(
                    metrics.mean_absolute_error(evaluation.true[rows, 1], evaluation.predicted[rows, 1])
                )
            ]
            assert len(near) == 1, each
            true, predicted = evaluation.true[near[0], 0], evaluation.predicted[near[0], 0]
            bounds = evaluation.bounds[near[0], 0]
            of_u = each.measures["u"]
            assert of_u["rmse"] == pytest.approx(metrics.root_mean_squared_error(true, predicted))
            assert of_u["r2"] == pytest.approx(metrics.r2_score(true, predicted))
            losses = [
                metrics.mean_pinball_loss(true, bounds[:, i], alpha=level) for i, level in enumerate(LEVELS)
            ]
            assert of_u["pinball"] == pytest.approx(np.mean(losses))
            inside = int(((bounds[:, 0] <= true) & (true <= bounds[:, 2])).sum())
            ends = stats.binomtest(inside, len(true)).proportion_ci(0.95, "wilson")
            assert of_u["coverage_interval"] == pytest.approx([ends.low, ends.high])
        json.dumps(found.to_dict())


def test_segments_have_names_and_an_order() -> None:
    table = load_table(frame())
    names = {name: [each for each, _ in cut_column(table.column(name))] for name in table.names}
    assert names["rooms"] == ["1", "2", "3", "4"]
    assert names["street $"] == ["Pave", "Grvl", "(missing)"]
    assert names["sold"] == [
        "up to 2020-02-19",
        "2020-02-19 to 2020-04-09",
        "2020-04-09 to 2020-05-29",
        "above 2020-05-29",
    ]
    assert (names["area"][0][:6], names["area"][-2][:6], names["area"][-1]) == (
        "up to ",
        "above ",
        "(missing)",
    )
    skewed = Column("s", "number", np.array([0.0] * 80 + list(range(1, 21))))
    assert [(name, int(mask.sum())) for name, mask in cut_column(skewed)] == [
        ("up to 0", 80),
        ("above 0", 20),
    ]
    close = Column("c", "number", 1e6 + np.arange(9) / 8)
    assert [name for name, _ in cut_column(close)][1] == "1000000.25 to 1000000.5"
    gone = Column("g", "number", np.full(3, np.nan))
    assert [(name, int(mask.sum())) for name, mask in cut_column(gone)] == [("(missing)", 3)]


def test_accuracy_of_classes_has_wilsons_interval() -> None:
    rng = np.random.default_rng(2)
    probabilities = torch.from_numpy(rng.dirichlet([1, 1, 1], 90)).float()
    labels = torch.from_numpy(rng.integers(0, 3, 90))
    evaluation = Evaluation(probabilities, labels, ("a", "b", "c"), 1.0, 0.0, "", "rows")
    side = Column("side", "category", np.arange(90) % 2, ("l", "r"))
    found = evaluate_segments(evaluation, side)
    for place, each in enumerate(found.segments):
        right = (probabilities.argmax(1) == labels).numpy()[place::2]
        ends = stats.binomtest(int(right.sum()), 45).proportion_ci(0.95, "wilson")
        assert each.measures["class"]["accuracy"] == pytest.approx(right.mean())
        assert each.measures["class"]["accuracy_interval"] == pytest.approx([ends.low, ends.high])
    assert "accuracy" in str(found)
    assert "target" not in str(found)


def test_the_interval_of_rmse_is_the_formulas_and_holds_the_true_one() -> None:
    rng = np.random.default_rng(3)
    errors = rng.normal(size=20)
    squares = [float(each) ** 2 for each in errors]
    mean = sum(squares) / 20
    spread = math.sqrt(sum((each - mean) ** 2 for each in squares) / 19)
    half = 2.093024 * spread / (2 * mean * math.sqrt(20))  # Student's t of 19 degrees of freedom
    wanted = [math.sqrt(mean) * math.exp(sign * half) for sign in (-1, 1)]
    assert rmse_interval(np.zeros(20), errors) == pytest.approx(wanted, rel=1e-6)
    held = 0
    for sample in rng.normal(size=(1000, 50)):
        interval = rmse_interval(np.zeros(50), sample)
        assert interval is not None
        held += interval[0] <= 1 <= interval[1]
    assert 0.91 < held / 1000 < 0.96
    assert rmse_interval(np.zeros(7), np.ones(7)) is None
    assert rmse_interval(np.zeros(9), np.zeros(9)) == [0.0, 0.0]


def test_windows_overlap_and_have_no_intervals() -> None:
    column = load_table(frame()).column("rooms")
    found = evaluate_segments(judged(examples="windows", quantiles=True), column)
    of_u = found.segments[0].measures["u"]
    assert of_u["rmse_interval"] is of_u["coverage_interval"] is None
    assert "windows" in str(found)


def test_many_categories_are_cut_off_in_text_alone() -> None:
    names = tuple(f"n{place:02}" for place in range(40))
    column = Column("name", "category", np.arange(200) % 40, names)
    found = evaluate_segments(judged(), column)
    assert "(30 segments of 40)" in str(found)
    assert len(found.to_dict()["segments"]) == 40
    with pytest.raises(DataError, match="column 'name' has 200 rows, and 100 were evaluated"):
        evaluate_segments(judged(100), column)


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_a_picture_takes_any_name(ending: str, tmp_path: Path) -> None:
    found = evaluate_segments(judged(), load_table(frame()).column("street $"))
    figure = segments_figure(found)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["u", "v"]
    assert figure.axes[0].get_ylabel() == "street $"
    assert write_figure(tmp_path / f"p.{ending}", figure, "segments").stat().st_size > 1000

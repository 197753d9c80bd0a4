"""Measures of quantiles against scikit-learn and loops, and the baselines that are fitted by the same loss."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import QuantileRegressor
from sklearn.metrics import d2_pinball_score, mean_pinball_loss

from convnets.errors import InputError
from convnets.evaluation.baselines import evaluate_baselines, figures_of
from convnets.evaluation.evaluate_rows import judged_numbers
from convnets.evaluation.numbers import NumbersEvaluation, quantile_measures
from convnets.evaluation.plots.numbers_plot import numbers_svg
from convnets.series.load_series import load_series
from convnets.series.series_encoder import SeriesEncoder
from convnets.tables.load_table import load_table
from convnets.tables.target import Target

LEVELS = (0.1, 0.5, 0.9)


def test_measures_are_scikit_learns_and_a_loops() -> None:
    rng = np.random.default_rng(0)
    true, bounds = rng.lognormal(3, 1, 101), np.sort(rng.lognormal(3, 1, (101, 3)), axis=1)
    found = quantile_measures(true, bounds, LEVELS)
    for place, level in enumerate(LEVELS):
        theirs = mean_pinball_loss(true, bounds[:, place], alpha=level)
        assert found["pinball_by_quantile"][f"{level:g}"] == pytest.approx(theirs)
        below = sum(bool(value <= bound) for value, bound in zip(true, bounds[:, place], strict=True))
        assert found["at_or_below"][f"{level:g}"] == pytest.approx(below / 101)
    assert found["pinball"] == pytest.approx(np.mean(list(found["pinball_by_quantile"].values())))
    inside = sum(low <= value <= high for value, (low, _, high) in zip(true, bounds, strict=True))
    assert (found["coverage"], found["nominal"]) == (pytest.approx(inside / 101), 0.8)
    assert found["width"] == pytest.approx(np.mean([high - low for low, _, high in bounds]))
    # of one level R¹ is their D²; of 101 rows both take the same row as the rows' own quantile
    for place, level in enumerate(LEVELS):
        one = quantile_measures(true, bounds[:, [place]], (level,))
        assert one["r1"] == pytest.approx(d2_pinball_score(true, bounds[:, place], alpha=level))
        assert one["coverage"] is one["nominal"] is one["width"] is None


def test_measures_at_the_edges() -> None:
    constant = quantile_measures(np.ones(3), np.ones((3, 2)), (0.2, 0.7))
    assert (constant["r1"], constant["coverage"], constant["nominal"]) == (None, 1.0, 0.5)
    with pytest.raises(InputError, match="allowed: N, and N×2") as caught:
        quantile_measures(np.ones(3), np.ones((3, 1)), (0.2, 0.7))
    assert "\n" not in str(caught.value)


def test_an_evaluation_of_quantiles_shows_them_and_goes_into_json() -> None:
    rng = np.random.default_rng(1)
    true, bounds = rng.normal(size=(20, 2)), np.sort(rng.normal(size=(20, 2, 3)), axis=2)
    found = NumbersEvaluation(bounds[:, :, 1], true, ("a", "b"), 0.1, 0.0, "", "rows", LEVELS, bounds)
    assert found.accuracy == pytest.approx(np.mean([each["r1"] for each in found.of_quantiles.values()]))
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["quantiles"]["b"]["pinball_by_quantile"]["0.9"] == pytest.approx(
        mean_pinball_loss(true[:, 1], bounds[:, 1, 2], alpha=0.9)
    )
    figures = figures_of(found)
    assert figures["width"] == pytest.approx((bounds[:, :, 2] - bounds[:, :, 0]).mean())
    assert figures["mae"] == pytest.approx(np.abs(bounds[:, :, 1] - true).mean())
    assert "in q0.1–q0.9" in str(found)
    drawn = numbers_svg(found)["Predictions of a"]
    assert (
        drawn.count("<polyline")
        == numbers_svg(replace(found, bounds=None))["Predictions of a"].count("<polyline") + 20
    )
    one = NumbersEvaluation(true, true, ("a", "b"), 0.1, 0.0, "", "rows", (0.5,), true[:, :, None])
    assert "meant" not in str(one)
    assert figures_of(one)["coverage"] is None


def test_answers_are_judged_by_pinball_however_they_cross() -> None:
    rng = np.random.default_rng(2)
    table = load_table(np.column_stack([rng.normal(size=30), rng.gamma(2, 2, 30)]), "x2")
    target = Target.fit(table, quantiles=LEVELS)
    answers = rng.normal(size=(30, 3)).astype(np.float32)
    found = judged_numbers(target, answers, table, 0.0, "")
    learned = target.encode(table)[:, 0]
    each = [mean_pinball_loss(learned, answers[:, place], alpha=level) for place, level in enumerate(LEVELS)]
    assert found.loss == pytest.approx(np.mean(each), rel=1e-5)
    assert found.bounds is not None
    assert bool((np.diff(found.bounds, axis=2) >= 0).all())
    assert np.array_equal(found.predicted, found.bounds[:, :, 1])


def test_baselines_of_quantiles_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    y = np.exp(x @ [0.5, -1, 0.2] + rng.normal(0, 0.5, 300))
    table = load_table(np.column_stack([x, y]), "x4")
    train, test = table.subset(range(200)), table.subset(range(200, 300))
    target = Target.fit(train, logarithm=True, quantiles=(0.25, 0.75))
    found = evaluate_baselines(target, (torch.from_numpy(x[:200]), train), (torch.from_numpy(x[200:]), test))
    assert list(found) == ["training quantiles", "linear model", "gradient boosting"]
    bounds = {}
    for name, each in found.items():
        assert isinstance(each, NumbersEvaluation)
        assert each.bounds is not None
        bounds[name] = each.bounds[:, 0]
    logs = np.log(y[:200])
    for place, level in enumerate((0.25, 0.75)):
        own = np.exp(np.quantile(logs, level))
        assert np.allclose(bounds["training quantiles"][:, place], own, rtol=1e-5)
        linear = QuantileRegressor(quantile=level, alpha=0).fit(x[:200], (logs - logs.mean()) / logs.std())
        wanted = np.exp(linear.predict(x[200:]) * logs.std() + logs.mean())
        assert np.allclose(bounds["linear model"][:, place], wanted, rtol=1e-3)
    boosted = [
        HistGradientBoostingRegressor("quantile", quantile=level, random_state=0)
        .fit(x[:200], target.encode(train)[:, 0])
        .predict(x[200:])
        for level in (0.25, 0.75)
    ]
    assert np.allclose(bounds["gradient boosting"], target.decode(np.column_stack(boosted)), rtol=1e-6)


def test_columns_that_depend_on_each_other_leave_a_linear_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(80, 3))
    x = np.column_stack([x, x[:, :2] + x[:, 1:], x[:, 0]])
    table = load_table(np.column_stack([x, x @ np.arange(6.0)]), "x7")
    target = Target.fit(table, quantiles=LEVELS)
    rows = torch.from_numpy(x), table
    found = evaluate_baselines(target, rows, rows)
    assert found["linear model"].accuracy > 0.999  # type: ignore[union-attr]

    def unsolved(*_: object) -> None:
        raise TypeError("'NoneType' object is not subscriptable")

    monkeypatch.setattr(QuantileRegressor, "fit", unsolved)
    assert list(evaluate_baselines(target, rows, rows)) == ["training quantiles", "gradient boosting"]


def test_the_naive_forecast_has_the_quantiles_of_its_errors() -> None:
    steps = np.arange(80)
    noise = np.random.default_rng(0).normal(0, 0.2, 80)
    series = load_series((np.sin(steps * np.pi / 3) + noise)[None], "x1", window=8, horizon=2, period=6)
    train, test = series.split_in_time(0.3)
    target = Target.fit(train, quantiles=(0.2, 0.8))
    encoder = SeriesEncoder.fit(train, flat=True)
    sides = [(encoder.encode(each)[:], each) for each in (train, test)]
    found = evaluate_baselines(target, *sides)["value 6 steps before"]
    assert isinstance(found, NumbersEvaluation)
    assert found.bounds is not None
    for number in range(2):
        true = [values[number] for values in target.values(train)]
        naive = [window[0, 2 + number] for window in train.values]  # 6 steps before step 8 + number
        errors = sorted(a - b for a, b in zip(true, naive, strict=True))
        for place, level in enumerate((0.2, 0.8)):
            quantile = errors[int(np.ceil(level * len(errors))) - 1]
            for row in range(len(test)):
                wanted = test.values[row][0, 2 + number] + quantile
                assert found.bounds[row, number, place] == pytest.approx(wanted, abs=1e-5)

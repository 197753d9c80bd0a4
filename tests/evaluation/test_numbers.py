"""Measures of numbers against scikit-learn and d2l's own, and baselines beside them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics
from sklearn.linear_model import LinearRegression

from convnets.d2l.house_prices import log_rmse
from convnets.errors import InputError
from convnets.evaluation.baselines import evaluate_baselines, figures_of
from convnets.evaluation.comparison_table import compare_baselines
from convnets.evaluation.numbers import NumbersEvaluation, number_measures
from convnets.evaluation.plots.numbers_plot import numbers_svg
from convnets.tables.load_table import load_table
from convnets.tables.target import Target


def test_measures_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    true, predicted = rng.lognormal(3, 1, 100), rng.lognormal(3, 1, 100)
    found = number_measures(true, predicted)
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(true, predicted))
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(true, predicted))
    assert found["r2"] == pytest.approx(metrics.r2_score(true, predicted))
    theirs = log_rmse(lambda x: x, torch.from_numpy(predicted), torch.from_numpy(true))
    assert found["log_rmse"] == pytest.approx(theirs)


def test_what_is_not_defined_is_none() -> None:
    assert number_measures(np.array([1.0, 1.0]), np.array([1.0, 2.0]))["r2"] is None
    assert number_measures(np.array([0.0, 1.0]), np.array([1.0, 2.0]))["log_rmse"] is None
    with pytest.raises(InputError, match="N numbers each"):
        number_measures(np.zeros(2), np.zeros(3))


def test_an_evaluation_shows_itself() -> None:
    true = np.array([[1.0, 10.0], [2.0, 20_000.0]])
    found = NumbersEvaluation(true + 0.5, true, ("a", "<b>"), 0.1, 0.0, "all")
    assert found.accuracy == found.r2 == pytest.approx(np.mean([0.0, 1.0]), abs=1e-3)
    assert "2 rows" in str(found)
    drawn = numbers_svg(found)
    assert list(drawn) == ["Predictions of a", "Predictions of <b>"]
    assert "<b>" not in drawn["Predictions of <b>"]


def test_baselines_of_numbers() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    table = load_table(np.column_stack([x, np.exp(x @ [0.5, -1, 0.2] + rng.normal(0, 0.1, 300))]), "x4")
    train, test = table.subset(range(200)), table.subset(range(200, 300))
    target = Target.fit(train, logarithm=True)
    found = evaluate_baselines(target, (torch.from_numpy(x[:200]), train), (torch.from_numpy(x[200:]), test))
    linear = LinearRegression().fit(x[:200], np.log(train.targets[0].values))
    assert isinstance(found["linear model"], NumbersEvaluation)
    assert np.allclose(found["linear model"].predicted[:, 0], np.exp(linear.predict(x[200:])), rtol=1e-5)
    mean = np.exp(np.log(train.targets[0].values).mean())
    assert np.allclose(found["mean"].predicted, mean)  # type: ignore[union-attr]


def test_baselines_of_classes_with_one_that_training_lacks() -> None:
    x = np.arange(60.0)[:, None] * 2
    table = load_table(np.column_stack([x, x[:, 0] // 40]), "x2", categorical=["x2"])
    target = Target.fit(table)
    train = table.subset(range(40))
    found = evaluate_baselines(target, (torch.from_numpy(x[:40]), train), (torch.from_numpy(x), table))
    assert found["most frequent class"].accuracy == pytest.approx(1 / 3)
    assert found["linear model"].accuracy == pytest.approx(2 / 3, abs=0.05)
    assert all(np.isfinite(each.loss) for each in found.values())


def test_the_table_says_who_is_best() -> None:
    figures = {"mlp": {"rmse": 2.0, "r2": 0.5}, "linear": {"rmse": 1.0, "r2": 0.6}}
    text = compare_baselines("mlp", figures)
    assert text.splitlines()[-1] == "linear does better than mlp here: use it, or say why not"
    figures["mlp"]["rmse"] = 0.5
    assert "does better" not in compare_baselines("mlp", figures)
    assert figures_of(NumbersEvaluation(np.ones((2, 1)), np.ones((2, 1)), ("a",), 0, 0, ""))["r2"] is None

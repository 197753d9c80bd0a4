"""Baselines: what simple models reach on the same rows, so that a network's user sees when not to use one.

The mean or the most frequent class, a linear model, and scikit-learn's gradient boosting, each fitted on the training
rows as the network sees them. N rows, D numbers of each, K numbers or classes.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from convnets.evaluation.evaluate_rows import judged_numbers
from convnets.evaluation.evaluation import Evaluation
from convnets.evaluation.metrics import cross_entropy
from convnets.evaluation.numbers import NumbersEvaluation
from convnets.series.examples import ExampleSet
from convnets.series.series_set import SeriesSet
from convnets.tables.encoded_rows import Inputs
from convnets.tables.quantiles import constant_quantiles
from convnets.tables.target import Target

__all__ = ["evaluate_baselines", "figures_of"]

_MOST_ROWS = 50_000  # that a baseline is fitted on: it takes seconds, and is to be beaten, not tuned
_MOST_ROWS_OF_ONE_THREAD = (
    10_000  # two win little there, and on a busy machine wait for each other up to 40 times as long
)
_MOST_ROWS_OF_QUANTILE = 10_000  # boosting fits one model for each, and searches medians in its leaves
_MOST_ROWS_OF_LINEAR, _WIDEST_LINEAR = 2_000, 100  # of linear quantiles, which are linear programs
_MOST_QUANTILES = 30  # of all numbers together, each a model of its own
_OF_QUANTILES = ("pinball", "r1", "coverage", "width")
_AT_ONCE = 1 << 16  # rows that a baseline is asked about together
_Floats = NDArray[Any]


def evaluate_baselines(
    target: Target, rows: tuple[Inputs, ExampleSet], judged: tuple[Inputs, ExampleSet], *, seed: int = 0
) -> dict[str, Evaluation | NumbersEvaluation]:
    """Evaluations by name: of `judged`, by models fitted on `rows`; both are rows N×D and the table they are of.

    Of more than 50,000 rows a random sample is taken. Numbers are learned as the network learns them: standardized,
    and by their logarithm where that was asked for. Of quantiles each is fitted by the pinball loss, on at most 10,000
    rows, the linear ones on 2,000; where they would take long (more than 100 numbers of a row, 30 quantiles in all) a
    model is left out, and where the solver of the linear one gives up.
    """
    inputs, learned = rows[0], target.encode(rows[1])
    chosen = np.arange(len(inputs))
    if len(inputs) > _MOST_ROWS:
        chosen = np.random.default_rng(seed).choice(len(inputs), _MOST_ROWS, replace=False)
    features, learned = inputs[torch.from_numpy(chosen)].flatten(1).numpy(), learned[chosen]
    asked = [judged[0][at : at + _AT_ONCE].flatten(1).numpy() for at in range(0, len(judged[0]), _AT_ONCE)]
    found = {}
    threads = 1 if len(features) <= _MOST_ROWS_OF_ONE_THREAD else None
    for name, models in _models(target, seed, features.shape[1]).items():
        started = time.perf_counter()
        with warnings.catch_warnings(), threadpool_limits(threads):
            warnings.simplefilter("ignore")  # that steps did not suffice: it is a baseline as it is
            if target.classes:
                answer = _probabilities(models[0].fit(features, learned), asked, len(target.classes))
            else:
                columns = [_fitted(each, features, y, asked) for y in learned.T for each in models]
                solved = [column for column in columns if column is not None]
                if len(solved) < len(columns):
                    continue
                answer = np.column_stack(solved)
        found[name] = _judged(target, answer, judged[1], time.perf_counter() - started)
    series = judged[1]
    if isinstance(series, SeriesSet) and series.horizon:
        started = time.perf_counter()
        name = "last value" if series.period == 1 else f"value {series.period} steps before"
        answer = target.standardized(series.naive_forecast())
        if target.quantiles:
            fitted_on = rows[1].subset(chosen)
            assert isinstance(fitted_on, SeriesSet)
            errors = learned - target.standardized(fitted_on.naive_forecast())
            answer = answer.repeat(len(target.quantiles), 1) + constant_quantiles(errors, target.quantiles)
        found[name] = _judged(target, answer, series, time.perf_counter() - started)
    return found


def _models(target: Target, seed: int, width: int) -> dict[str, list[Any]]:
    """By name the model, one for each quantile."""
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LinearRegression, LogisticRegression, QuantileRegressor

    if target.classes:
        return {
            "most frequent class": [DummyClassifier(strategy="prior")],
            "linear model": [LogisticRegression(max_iter=500)],
            "gradient boosting": [HistGradientBoostingClassifier(random_state=seed)],
        }
    if not target.quantiles:
        return {
            "mean": [DummyRegressor()],
            "linear model": [LinearRegression()],
            "gradient boosting": [HistGradientBoostingRegressor(random_state=seed)],
        }
    levels, few = target.quantiles, target.outputs <= _MOST_QUANTILES
    # without a penalty columns that depend on each other leave the solver without an end
    linear = [QuantileRegressor(quantile=q, alpha=1e-6) for q in levels]
    boosting = [HistGradientBoostingRegressor("quantile", quantile=q, random_state=seed) for q in levels]
    return {
        "training quantiles": [DummyRegressor(strategy="quantile", quantile=q) for q in levels],
        **({"linear model": linear} if few and width <= _WIDEST_LINEAR else {}),
        **({"gradient boosting": boosting} if few else {}),
    }


def _fitted(model: Any, features: _Floats, learned: _Floats, asked: Iterable[_Floats]) -> _Floats | None:
    """What the model says once it is fitted; None where a linear program has no solution that can be found."""
    from sklearn.base import clone
    from sklearn.linear_model import QuantileRegressor

    programmed, boosted = isinstance(model, QuantileRegressor), getattr(model, "loss", "") == "quantile"
    most = _MOST_ROWS_OF_LINEAR if programmed else _MOST_ROWS_OF_QUANTILE if boosted else len(features)
    if len(features) > most:
        some = np.random.default_rng(0).choice(len(features), most, replace=False)
        features, learned = features[some], learned[some]
    try:
        fitted = clone(model).fit(features, learned)
    except TypeError:  # scikit-learn reads the solution without asking whether there is one
        if programmed:
            return None
        raise
    return np.concatenate([fitted.predict(piece) for piece in asked])


def _probabilities(model: Any, pieces: Iterable[_Floats], classes: int) -> _Floats:
    """N×K, zero for a class that the model never saw."""
    answers = np.concatenate([model.predict_proba(piece) for piece in pieces])
    found = np.zeros((len(answers), classes))
    found[:, model.classes_] = answers
    return found


def _judged(
    target: Target, answer: _Floats, table: ExampleSet, seconds: float
) -> Evaluation | NumbersEvaluation:
    protocol = f"scikit-learn, fitted on the training {table.nouns}"
    if target.classes:
        probabilities = torch.from_numpy(answer).float()
        labels = torch.from_numpy(target.labels(table))
        loss = cross_entropy(probabilities.clamp(min=1e-12).log(), labels)
        return Evaluation(probabilities, labels, target.classes, loss, seconds, protocol, table.nouns)
    return judged_numbers(target, answer, table, seconds, protocol)


def figures_of(evaluation: Evaluation | NumbersEvaluation) -> dict[str, float | None]:
    """The figures to compare by: of classes accuracy and loss, of numbers the means of their measures."""
    if isinstance(evaluation, Evaluation):
        return {"accuracy": evaluation.accuracy, "loss": evaluation.loss}
    found = {key: _mean([each[key] for each in evaluation.of_quantiles.values()]) for key in _OF_QUANTILES}
    of_quantiles = found if evaluation.quantiles else {}
    each = list(evaluation.measures.values())
    keys = ("rmse", "mae", "r2", "log_rmse")
    return {**of_quantiles, **{key: _mean([measures[key] for measures in each]) for key in keys}}


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None

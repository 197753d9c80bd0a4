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

from convnets.evaluation.evaluation import Evaluation
from convnets.evaluation.metrics import cross_entropy
from convnets.evaluation.numbers import NumbersEvaluation
from convnets.series.examples import ExampleSet
from convnets.series.series_set import SeriesSet
from convnets.tables.encoded_rows import Inputs
from convnets.tables.target import Target

__all__ = ["evaluate_baselines", "figures_of"]

_MOST_ROWS = 50_000  # that a baseline is fitted on: it takes seconds, and is to be beaten, not tuned
_AT_ONCE = 1 << 16  # rows that a baseline is asked about together
_Floats = NDArray[Any]


def evaluate_baselines(
    target: Target, rows: tuple[Inputs, ExampleSet], judged: tuple[Inputs, ExampleSet], *, seed: int = 0
) -> dict[str, Evaluation | NumbersEvaluation]:
    """Evaluations by name: of `judged`, by models fitted on `rows`; both are rows N×D and the table they are of.

    Of more than 50,000 rows a random sample is taken. Numbers are learned as the network learns them: standardized,
    and by their logarithm where that was asked for.
    """
    inputs, learned = rows[0], target.encode(rows[1])
    chosen = np.arange(len(inputs))
    if len(inputs) > _MOST_ROWS:
        chosen = np.random.default_rng(seed).choice(len(inputs), _MOST_ROWS, replace=False)
    features, learned = inputs[torch.from_numpy(chosen)].flatten(1).numpy(), learned[chosen]
    asked = [judged[0][at : at + _AT_ONCE].flatten(1).numpy() for at in range(0, len(judged[0]), _AT_ONCE)]
    found = {}
    for name, model in _models(target, seed).items():
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that steps did not suffice: it is a baseline as it is
            if target.classes:
                answer = _probabilities(model.fit(features, learned), asked, len(target.classes))
            else:
                answer = np.column_stack(
                    [_predicted(_models(target, seed)[name].fit(features, y), asked) for y in learned.T]
                )
        found[name] = _judged(target, answer, judged[1], time.perf_counter() - started)
    series = judged[1]
    if isinstance(series, SeriesSet) and series.horizon:
        started = time.perf_counter()
        name = "last value" if series.period == 1 else f"value {series.period} steps before"
        answer = target.standardized(series.naive_forecast())
        found[name] = _judged(target, answer, series, time.perf_counter() - started)
    return found


def _models(target: Target, seed: int) -> dict[str, Any]:
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LinearRegression, LogisticRegression

    if target.classes:
        return {
            "most frequent class": DummyClassifier(strategy="prior"),
            "linear model": LogisticRegression(max_iter=500),
            "gradient boosting": HistGradientBoostingClassifier(random_state=seed),
        }
    return {
        "mean": DummyRegressor(),
        "linear model": LinearRegression(),
        "gradient boosting": HistGradientBoostingRegressor(random_state=seed),
    }


def _predicted(model: Any, pieces: Iterable[_Floats]) -> _Floats:
    return np.concatenate([model.predict(piece) for piece in pieces])


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
    loss = float(((answer - target.encode(table)) ** 2).mean())
    return NumbersEvaluation(
        target.decode(answer), target.values(table), target.names, loss, seconds, protocol
    )


def figures_of(evaluation: Evaluation | NumbersEvaluation) -> dict[str, float | None]:
    """The figures to compare by: of classes accuracy and loss, of numbers the means of their measures."""
    if isinstance(evaluation, Evaluation):
        return {"accuracy": evaluation.accuracy, "loss": evaluation.loss}
    each = list(evaluation.measures.values())
    keys = ("rmse", "mae", "r2", "log_rmse")
    return {key: _mean([measures[key] for measures in each]) for key in keys}


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None

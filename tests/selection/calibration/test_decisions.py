"""Abstaining and conformal sets: the promised precision and coverage, and the same sets as MAPIE's."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin

from convnets.errors import ConfigError, InputError, UnknownNameError
from convnets.selection.calibration.decisions import (
    area_under_risk,
    conformal_quantile,
    conformal_scores,
    prediction_sets,
    risk_coverage,
    threshold_for,
)


def example(images: int, generator: torch.Generator, spread: float = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """A network that is a little too sure."""
    logits = spread * torch.randn(images, 5, generator=generator, dtype=torch.float64)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator).flatten()
    return (1.5 * logits).softmax(1), labels


def test_risk_and_coverage_are_a_loop() -> None:
    p, labels = example(40, torch.Generator().manual_seed(0))
    confidence, right = p.max(1).values, p.argmax(1) == labels
    coverage, risk = risk_coverage(confidence, right)
    pairs = sorted(zip(confidence.tolist(), right.tolist(), strict=True), reverse=True)
    for count in range(1, 41):
        assert float(coverage[count - 1]) == pytest.approx(count / 40)
        assert float(risk[count - 1]) == pytest.approx(sum(not ok for _, ok in pairs[:count]) / count)
    assert area_under_risk(confidence, right) == pytest.approx(float(risk.mean()))


@pytest.mark.parametrize("precision", [0.9, 0.95])
def test_the_wanted_precision_is_missed_in_one_of_twenty_calibrations_at_most(precision: float) -> None:
    generator = torch.Generator().manual_seed(1)
    p, labels = example(400_000, generator, spread=6)
    confidence, right = p.max(1).values, p.argmax(1) == labels
    order = confidence.argsort(descending=True)
    sure, precisions = confidence[order], right[order].double().cumsum(0) / torch.arange(1, 400_001)
    missed = found = 0
    for start in range(0, 400_000, 400):
        threshold = threshold_for(confidence[start : start + 400], right[start : start + 400], precision)
        if threshold is not None:
            found += 1
            given = int(torch.searchsorted(-sure, -threshold, right=True))
            missed += float(precisions[given - 1]) < precision
    assert missed / 1000 <= 0.05
    assert found > 300  # and it does not hide behind saying nothing


def test_a_network_that_is_never_right_gets_no_threshold() -> None:
    assert threshold_for(torch.rand(500), torch.zeros(500, dtype=torch.bool), 0.9) is None
    assert threshold_for(torch.rand(10), torch.ones(10, dtype=torch.bool), 0.9) is None  # too few to say
    assert threshold_for(torch.linspace(0, 1, 500), torch.ones(500, dtype=torch.bool), 0.9) == 0


@pytest.mark.parametrize("kind", ["lac", "aps"])
@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_sets_hold_the_true_class_as_often_as_they_promise(kind: str, coverage: float) -> None:
    generator = torch.Generator().manual_seed(2)
    test, test_labels = example(20_000, generator)
    held, exact = [], []
    for _ in range(200):
        p, labels = example(200, generator)
        quantile = conformal_quantile(p, labels, coverage, kind)
        sets = prediction_sets(test, quantile, kind)
        own = conformal_scores(test, kind)[torch.arange(20_000), test_labels]
        exact.append(float((own <= quantile).double().mean()))
        held.append(float(sets[torch.arange(20_000), test_labels].double().mean()))
    # in the mean from the coverage to 1/(n + 1) above; naming at least one class adds to it
    assert coverage - 0.005 <= np.mean(exact) <= coverage + 1 / 201 + 0.005
    assert np.mean(held) >= np.mean(exact)


def test_scores_and_quantile_are_loops() -> None:
    p, labels = example(30, torch.Generator().manual_seed(3))
    for image, row in enumerate(p.tolist()):
        for k, value in enumerate(row):
            larger = sum(other for other in row if other > value)
            assert float(conformal_scores(p, "aps")[image, k]) == pytest.approx(larger + value / 2)
            assert float(conformal_scores(p, "lac")[image, k]) == pytest.approx(1 - value)
    own = sorted(1 - row[label] for row, label in zip(p.tolist(), labels.tolist(), strict=True))
    assert conformal_quantile(p, labels, 0.9, "lac") == pytest.approx(own[math.ceil(31 * 0.9) - 1])
    assert conformal_quantile(p, labels, 0.99, "lac") == 1.0  # 30 images cannot promise it


class Given(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier whose probabilities are its inputs."""

    def fit(self, x: Any, y: Any) -> Given:
        self.classes_ = np.arange(5)
        self.is_fitted_ = True
        return self

    def predict_proba(self, x: Any) -> Any:
        return x

    def predict(self, x: Any) -> Any:
        return x.argmax(1)


def test_the_same_sets_as_mapies() -> None:
    generator = torch.Generator().manual_seed(4)
    (p, labels), (test, _) = example(500, generator), example(300, generator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mapie.classification import SplitConformalClassifier

        theirs = SplitConformalClassifier(
            Given().fit(None, None), confidence_level=0.9, conformity_score="lac", prefit=True
        )
        theirs.conformalize(p.numpy(), labels.numpy())
        _, sets = theirs.predict_set(test.numpy())
    ours = prediction_sets(test, conformal_quantile(p, labels, 0.9, "lac"), "lac")
    expected = torch.from_numpy(sets[:, :, 0]).scatter(1, test.argmax(1, keepdim=True), True)
    assert ours.equal(expected)


def test_what_is_refused() -> None:
    p, labels = example(30, torch.Generator())
    with pytest.raises(UnknownNameError):
        conformal_scores(p, "raps")
    with pytest.raises(ConfigError, match="coverage is 90"):
        conformal_quantile(p, labels, 90, "lac")
    with pytest.raises(ConfigError, match=r"such as 0\.95"):
        threshold_for(p[:, 0], labels > 0, 95)
    with pytest.raises(InputError, match="N and N"):
        risk_coverage(p[:, 0], labels[:3])

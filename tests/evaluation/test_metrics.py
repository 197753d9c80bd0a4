"""Metrics against plain loops and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from torch import Tensor

from convnets.errors import InputError
from convnets.evaluation.metrics import (
    accuracy,
    confusion_matrix,
    cross_entropy,
    expected_calibration_error,
    per_class,
    reliability_bins,
    top_k_accuracy,
)


def _example(seed: int, images: int = 300, classes: int = 7) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (images,), generator=generator)
    logits = torch.randn(images, classes, generator=generator) + 1.5 * torch.eye(classes)[labels]
    return logits.softmax(1), labels


@pytest.fixture(params=[0, 1, 2])
def example(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor]:
    return _example(request.param)


def test_accuracy_equals_scikit_learn(example: tuple[Tensor, Tensor]) -> None:
    probabilities, labels = example
    assert accuracy(probabilities, labels) == sklearn.metrics.accuracy_score(labels, probabilities.argmax(1))


@pytest.mark.parametrize("k", [1, 2, 5, 6])
def test_top_k_equals_scikit_learn(example: tuple[Tensor, Tensor], k: int) -> None:
    probabilities, labels = example
    expected = sklearn.metrics.top_k_accuracy_score(
        labels, probabilities.double().numpy(), k=k, labels=range(7)
    )
    assert top_k_accuracy(probabilities, labels, k) == pytest.approx(expected, abs=1e-15)


def test_top_k_of_all_classes_is_one(example: tuple[Tensor, Tensor]) -> None:
    assert top_k_accuracy(*example, k=7) == 1.0


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(2, 6), st.integers(0, 10_000), st.booleans())
def test_top_k_equals_a_sorted_list_even_with_equal_probabilities(
    n: int, classes: int, seed: int, ties: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    probabilities = torch.rand(n, classes, generator=generator)
    if ties:
        probabilities = (probabilities * 3).round() / 3
    labels = torch.randint(classes, (n,), generator=generator)
    for k in range(1, classes + 1):
        hits = 0
        for row, label in zip(probabilities.tolist(), labels.tolist(), strict=True):
            hits += label in sorted(range(classes), key=lambda c: -row[c])[:k]
        assert top_k_accuracy(probabilities, labels, k) == pytest.approx(hits / n, abs=1e-15)
    assert top_k_accuracy(probabilities, labels, 1) == accuracy(probabilities, labels)


def test_constant_probabilities_do_not_score_by_ties() -> None:
    probabilities = torch.full((10, 10), 0.1)
    assert top_k_accuracy(probabilities, torch.arange(10), 5) == 0.5


def test_confusion_matrix_has_true_classes_in_rows(example: tuple[Tensor, Tensor]) -> None:
    probabilities, labels = example
    confusion = confusion_matrix(probabilities, labels)
    expected = sklearn.metrics.confusion_matrix(labels, probabilities.argmax(1), labels=range(7))
    np.testing.assert_array_equal(confusion.numpy(), expected)
    assert confusion[labels[0], probabilities[0].argmax()] >= 1
    assert confusion.sum() == len(labels)


def test_confusion_matrix_keeps_classes_that_never_occur() -> None:
    confusion = confusion_matrix(torch.tensor([[0.1, 0.9, 0.0]]), torch.tensor([0]))
    assert confusion.tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_per_class_equals_scikit_learn(example: tuple[Tensor, Tensor]) -> None:
    probabilities, labels = example
    rows = per_class(confusion_matrix(probabilities, labels), "abcdefg")
    expected = sklearn.metrics.precision_recall_fscore_support(
        labels, probabilities.argmax(1), labels=range(7)
    )
    for measure, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        np.testing.assert_allclose([getattr(row, measure) for row in rows], values, rtol=1e-12)
    assert [row.name for row in rows] == list("abcdefg")


def test_undefined_shares_are_zero() -> None:
    never, absent = per_class(torch.tensor([[0, 0, 2], [0, 0, 0], [0, 0, 3]]), "abc")[:2]
    assert (never.precision, never.recall, never.f1, never.support, never.predicted) == (0, 0, 0, 2, 0)
    assert (absent.precision, absent.recall, absent.f1, absent.support) == (0, 0, 0, 0)


def test_cross_entropy_equals_scikit_learn(example: tuple[Tensor, Tensor]) -> None:
    probabilities, labels = example
    expected = sklearn.metrics.log_loss(labels, probabilities.numpy(), labels=range(7))
    assert cross_entropy(probabilities.log(), labels) == pytest.approx(expected, rel=1e-6)


def test_cross_entropy_survives_a_probability_that_underflows() -> None:
    scores = torch.tensor([[0.0, 500.0]]).log_softmax(1)
    assert scores.exp()[0, 0] == 0
    assert cross_entropy(scores, torch.tensor([0])) == 500.0


@pytest.mark.parametrize("bins", [1, 2, 10, 15])
def test_reliability_equals_a_plain_loop(example: tuple[Tensor, Tensor], bins: int) -> None:
    probabilities, labels = example
    rows = reliability_bins(probabilities, labels, bins)
    error = 0.0
    for i, row in enumerate(rows):
        inside = [
            (max(p), p.index(max(p)) == label)
            for p, label in zip(probabilities.double().tolist(), labels.tolist(), strict=True)
            if i / bins < max(p) <= (i + 1) / bins
        ]
        assert row.count == len(inside)
        assert (row.low, row.high) == pytest.approx((i / bins, (i + 1) / bins))
        if inside:
            assert row.confidence == pytest.approx(sum(c for c, _ in inside) / len(inside))
            assert row.accuracy == pytest.approx(sum(r for _, r in inside) / len(inside))
            error += len(inside) / len(labels) * abs(row.accuracy - row.confidence)
        else:
            assert (row.confidence, row.accuracy) == (0, 0)
    assert expected_calibration_error(rows) == pytest.approx(error, abs=1e-12)


def test_reliability_equals_scikit_learn(example: tuple[Tensor, Tensor]) -> None:
    probabilities, labels = example
    confidence, predicted = probabilities.double().max(1)
    fraction, mean = calibration_curve((predicted == labels).numpy(), confidence.numpy(), n_bins=10)
    filled = [row for row in reliability_bins(probabilities, labels, 10) if row.count]
    np.testing.assert_allclose([row.accuracy for row in filled], fraction, rtol=1e-9)
    np.testing.assert_allclose([row.confidence for row in filled], mean, rtol=1e-9)


def test_confidence_of_one_and_on_an_edge_fall_in_the_bin_below() -> None:
    probabilities = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    assert [row.count for row in reliability_bins(probabilities, torch.tensor([0, 0]), bins=2)] == [1, 1]


def test_calibration_error_in_closed_form() -> None:
    probabilities = torch.tensor([[0.8, 0.2]] * 10)
    assert expected_calibration_error(reliability_bins(probabilities, torch.tensor([0] * 8 + [1] * 2))) == (
        pytest.approx(0, abs=1e-7)
    )
    assert expected_calibration_error(reliability_bins(probabilities, torch.tensor([0] * 10))) == (
        pytest.approx(0.2, abs=1e-7)
    )


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (torch.rand(3), torch.zeros(3).long(), "N×K"),
        (torch.rand(3, 2), torch.zeros(2).long(), "N×K"),
        (torch.rand(0, 2), torch.zeros(0).long(), "N ≥ 1"),
        (torch.rand(3, 2), torch.zeros(3), "int64"),
        (torch.rand(3, 2), torch.tensor([0, 1, 2]), "label 2 with 2 classes"),
        (torch.rand(3, 2), torch.tensor([0, -1, 1]), "label -1 with 2 classes"),
        (torch.full((3, 2), math.nan), torch.zeros(3).long(), "NaN"),
    ],
)
@pytest.mark.parametrize("measure", [accuracy, confusion_matrix, cross_entropy, reliability_bins])
def test_unfit_input_is_refused_in_one_line(
    measure, probabilities: Tensor, labels: Tensor, message: str
) -> None:
    with pytest.raises(InputError, match=message) as raised:
        measure(probabilities, labels)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("k", [0, 3])
def test_k_outside_the_classes_is_refused(k: int) -> None:
    with pytest.raises(InputError, match=f"k is {k} with 2 classes"):
        top_k_accuracy(torch.rand(3, 2), torch.zeros(3).long(), k)


def test_bins_and_names_are_checked() -> None:
    with pytest.raises(InputError, match="bins is 0"):
        reliability_bins(torch.rand(3, 2), torch.zeros(3).long(), 0)
    with pytest.raises(InputError, match="K×K for the 3 names"):
        per_class(torch.zeros(2, 2).long(), "abc")

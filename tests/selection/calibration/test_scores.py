"""Scores against loops, and their intervals by experiments whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from convnets.errors import InputError
from convnets.selection.calibration.scores import (
    brier_score,
    equal_mass_error,
    mean_interval,
    score_probabilities,
)


def example(images: int, seed: int = 0, sharpness: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities that are the true chances where sharpness is 1, and labels drawn by these."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(images, 5, generator=generator, dtype=torch.float64)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator).flatten()
    return (sharpness * logits).softmax(1), labels


def test_brier_and_likelihood_are_loops() -> None:
    p, labels = example(60)
    rows, given = p.tolist(), labels.tolist()
    brier = sum(
        sum((value - (k == label)) ** 2 for k, value in enumerate(row))
        for row, label in zip(rows, given, strict=True)
    )
    assert brier_score(p, labels) == pytest.approx(brier / 60)
    found = score_probabilities(p, labels)
    assert found.brier.estimate == pytest.approx(brier / 60)
    assert found.nll.estimate == pytest.approx(log_loss(given, p.numpy(), labels=range(5)))


def test_bins_of_equal_mass_are_a_loop() -> None:
    p, labels = example(61)
    rows = sorted(
        (max(row), int(row.index(max(row)) == label))
        for row, label in zip(p.tolist(), labels.tolist(), strict=True)
    )
    total, start = 0.0, 0
    for place in range(7):  # as numpy.array_split has it: the first parts are one longer
        size = 61 // 7 + (place < 61 % 7)
        part = rows[start : start + size]
        total += abs(sum(c for c, _ in part) - sum(r for _, r in part))
        start += size
    assert equal_mass_error(p, labels, 7) == pytest.approx(total / 61)
    with pytest.raises(InputError, match="bins for 61 images"):
        equal_mass_error(p, labels, 62)


@pytest.mark.parametrize("name", ["nll", "brier", "overconfidence"])
def test_coverage_of_the_intervals(name: str) -> None:
    p, labels = example(400_000, sharpness=2.0)
    own = p.gather(1, labels[:, None]).flatten()
    values = {
        "nll": -own.log(),
        "brier": (p * p).sum(1) - 2 * own + 1,
        "overconfidence": p.max(1).values - (p.argmax(1) == labels).double(),
    }[name]
    truth = float(values.mean())
    held = 0
    for repetition in range(1000):
        drawn = values[repetition * 400 : (repetition + 1) * 400]
        found = mean_interval(drawn, seed=repetition)
        held += found.low <= truth <= found.high
    assert 930 <= held <= 970


def test_what_chance_makes_of_a_calibrated_network_is_a_true_level() -> None:
    above = 0
    for seed in range(200):
        found = score_probabilities(*example(400, seed))
        above += found.ece > found.ece_of_chance
    assert above <= 20  # 10 are expected
    assert above >= 2
    overconfident = score_probabilities(*example(400, sharpness=3.0))
    assert overconfident.ece > overconfident.ece_of_chance
    assert overconfident.overconfidence.low > 0


def test_few_images_have_no_intervals() -> None:
    with pytest.raises(InputError, match="50 or more"):
        score_probabilities(*example(49))
    assert np.isfinite(score_probabilities(*example(50)).to_dict()["nll"]["low"])

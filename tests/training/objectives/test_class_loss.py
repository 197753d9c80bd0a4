"""Losses for unequal classes against definitions written out, and against scikit-learn's weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from convnets.core.hardware import choose_hardware
from convnets.data.batches import Batch
from convnets.errors import ConfigError
from convnets.models.catalogue import create_model
from convnets.training.config import TrainConfig
from convnets.training.learner import Learner
from convnets.training.objectives.class_loss import ClassLoss, balanced_weights

COUNTS = torch.tensor([50, 5, 1, 24])


def drawn() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(16, 4, generator=generator) * 3, torch.randint(4, (16,), generator=generator)


def slow(logits: torch.Tensor, target: list[float], added: list[float], weights: list[float]) -> float:
    """Of one image in float64: minus the sum of w_c t_c log p_c, with softmax written out."""
    z = [float(value) + more for value, more in zip(logits, added, strict=True)]
    log_sum = math.log(sum(math.exp(value) for value in z))
    return -sum(w * t * (value - log_sum) for w, t, value in zip(weights, target, z, strict=True))


@pytest.mark.parametrize("tau", [0.0, 1.0, 1.5])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("mixed", [False, True])
def test_losses_are_their_definitions(tau: float, weighted: bool, smoothing: float, mixed: bool) -> None:
    options: dict[str, Any] = {"class_weights": "balanced" if weighted else "none", "logit_adjustment": tau}
    config = TrainConfig(label_smoothing=smoothing, **options)
    logits, labels = drawn()
    targets = torch.eye(4)[labels]
    if mixed:
        targets = 0.7 * targets + 0.3 * targets.roll(1, 0)
    total = int(COUNTS.sum())
    weights = [total / (4 * int(n)) if weighted else 1.0 for n in COUNTS]
    added = [tau * math.log(int(n) / total) for n in COUNTS]
    expected = [
        slow(row, [(1 - smoothing) * float(t) + smoothing / 4 for t in target], added, weights)
        for row, target in zip(logits, targets, strict=True)
    ]
    found = ClassLoss(config, COUNTS)(logits, targets if mixed else labels)
    assert float(found) == pytest.approx(sum(expected) / len(expected), rel=1e-5)


def test_weights_are_those_of_scikit_learn_and_average_to_one() -> None:
    labels = np.repeat(np.arange(4), COUNTS)
    expected = compute_class_weight("balanced", classes=np.arange(4), y=labels)
    assert balanced_weights(COUNTS).tolist() == pytest.approx(expected.tolist())
    assert float(balanced_weights(COUNTS)[torch.from_numpy(labels)].mean()) == pytest.approx(1)
    assert balanced_weights(torch.tensor([3, 0, 1])).tolist() == pytest.approx([4 / 6, 0, 2])
    config = TrainConfig(logit_adjustment=1, label_smoothing=0.1)
    absent = ClassLoss(config, torch.tensor([3, 0, 1]))(torch.zeros(2, 3), torch.tensor([0, 2]))
    assert torch.isfinite(absent)


def border(x: torch.Tensor, labels: torch.Tensor, tau: float) -> float:
    """Where the logit of the second class, a line, crosses that of the first, which is 0."""
    loss = ClassLoss(TrainConfig(logit_adjustment=tau), torch.bincount(labels))
    line = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.LBFGS([line], max_iter=50)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        logits = torch.stack([torch.zeros_like(x), line[0] * x + line[1]], dim=1)
        value = loss(logits, labels)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(closure)  # type: ignore[no-untyped-call, arg-type]
    slope, offset = line.tolist()
    return -offset / slope


def test_adjusted_logits_find_the_balanced_answer() -> None:
    """Two classes at −1 and 1 with unit variance, 19 : 1. The Bayes border of equal classes is 0, else ln(19) / 2."""
    generator = torch.Generator().manual_seed(0)
    labels = (torch.arange(40_000) % 20 == 0).long()
    x = torch.randn(40_000, generator=generator) + (2 * labels - 1)
    borders = {tau: border(x, labels, tau) for tau in (0.0, 1.0)}
    assert borders[0.0] == pytest.approx(math.log(19) / 2, abs=0.05)
    assert borders[1.0] == pytest.approx(0, abs=0.05)


def test_parts_of_a_batch_add_up_to_the_gradient_of_the_whole() -> None:
    images = torch.rand(12, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    batch = Batch(images, torch.arange(12) % 3, torch.arange(12))
    weights = []
    for parts in (1, 3):
        config = TrainConfig(
            optimizer="sgd", accumulate=parts, class_weights="balanced", logit_adjustment=1, weight_decay=0
        )
        counts = torch.tensor([9, 2, 1])
        network = create_model("mlp", num_classes=3, seed=0)
        learner = Learner(network, config, choose_hardware("cpu", "fp32"), class_counts=counts)
        learner.step(batch, 0, 0, 0.5)
        weights.append(network.classifier.weight.detach())
    assert torch.allclose(weights[0], weights[1], atol=1e-6)
    assert not torch.allclose(weights[0], create_model("mlp", num_classes=3, seed=0).classifier.weight)


def test_what_is_refused() -> None:
    with pytest.raises(ConfigError, match="need the number of images of each class"):
        ClassLoss(TrainConfig(logit_adjustment=1))
    with pytest.raises(ConfigError, match="class_weights is balanced and objective triplet"):
        TrainConfig(class_weights="balanced", objective="triplet")
    with pytest.raises(ConfigError, match="logit_adjustment is -1"):
        TrainConfig(logit_adjustment=-1)

"""Cross-entropy against PyTorch's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from convnets.errors import ConfigError, InputError
from convnets.layers.cross_entropy import cross_entropy

Agree = Callable[..., None]


@settings(max_examples=50, deadline=None)
@given(
    images=st.integers(1, 5),
    classes=st.integers(1, 6),
    scale=st.sampled_from([1.0, 30.0, 1e4]),
    smoothing=st.sampled_from([0.0, 0.1, 1.0]),
    shares=st.booleans(),
)
def test_equal_to_pytorch(
    agree: Agree, images: int, classes: int, scale: float, smoothing: float, shares: bool
) -> None:
    generator = torch.Generator().manual_seed(images * classes)
    logits = scale * torch.randn(images, classes, dtype=torch.float64, generator=generator)
    if shares:
        targets = torch.rand(images, classes, dtype=torch.float64, generator=generator)
        targets /= targets.sum(1, keepdim=True)
    else:
        targets = torch.randint(classes, (images,), generator=generator)
    agree(
        lambda logits: cross_entropy(logits, targets, smoothing),
        lambda logits: F.cross_entropy(logits, targets, label_smoothing=smoothing),
        logits,
    )


def test_a_class_ruled_out_costs_nothing_unless_it_is_true() -> None:
    logits = torch.tensor([[0.0, -torch.inf]])
    assert cross_entropy(logits, torch.tensor([0])) == 0
    assert cross_entropy(logits, torch.tensor([1])) == torch.inf


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="targets are 0 to 3; allowed: 0 to 2"):
        cross_entropy(torch.zeros(2, 3), torch.tensor([0, 3]))
    with pytest.raises(InputError, match=r"logits \(2, 3\), targets \(4,\)"):
        cross_entropy(torch.zeros(2, 3), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ConfigError, match="label_smoothing is 2"):
        cross_entropy(torch.zeros(2, 3), torch.tensor([0, 1]), 2)

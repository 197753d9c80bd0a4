"""The rescaled sigmoid against its closed form 2·tanh(x / 2)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convnets.layers.activations import RescaledSigmoid, rescaled_sigmoid


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.floats(-50, 50), min_size=1, max_size=6))
def test_equal_to_twice_tanh_of_the_half(agree: Callable[..., None], values: list[float]) -> None:
    x = torch.tensor(values, dtype=torch.float64)
    agree(rescaled_sigmoid, lambda x: 2 * torch.tanh(x / 2), x)
    assert torch.equal(RescaledSigmoid()(x), rescaled_sigmoid(x))

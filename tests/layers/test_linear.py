"""The linear layer against PyTorch's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from convnets.errors import InputError
from convnets.layers.linear import Linear, linear


@settings(max_examples=25, deadline=None)
@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=4), outputs=st.integers(1, 4), bias=st.booleans()
)
def test_equal_to_pytorch(agree: Callable[..., None], shape: list[int], outputs: int, bias: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [shape, [outputs, shape[-1]], [outputs]][: 2 + bias]
    inputs = [torch.randn(each, dtype=torch.float64, generator=generator) for each in shapes]
    agree(linear, F.linear, *inputs)


def test_the_layer_starts_as_pytorchs() -> None:
    torch.manual_seed(0)
    own = Linear(30, 8)
    torch.manual_seed(0)
    builtin = nn.Linear(30, 8)
    torch.testing.assert_close(own.state_dict(), builtin.state_dict())
    x = torch.rand(2, 30)
    torch.testing.assert_close(own(x), builtin(x))


def test_another_number_of_inputs_is_refused() -> None:
    with pytest.raises(InputError, match="got 3 inputs; its weights take 4"):
        linear(torch.zeros(2, 3), torch.zeros(5, 4))

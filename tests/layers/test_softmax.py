"""Softmax and log-sum-exp against PyTorch's, with values that overflow a plain formula."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from convnets.layers.softmax import Softmax, log_softmax, log_sum_exp, softmax

Agree = Callable[..., None]
values = st.floats(-1e4, 1e4, allow_nan=False)


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.tuples(values, values, values), min_size=1, max_size=4), dim=st.sampled_from([0, 1, -1])
)
def test_equal_to_pytorch(agree: Agree, rows: list[tuple[float, ...]], dim: int) -> None:
    x = torch.tensor(rows, dtype=torch.float64)
    agree(lambda x: softmax(x, dim), lambda x: torch.softmax(x, dim), x)
    agree(lambda x: log_softmax(x, dim), lambda x: torch.log_softmax(x, dim), x)
    agree(lambda x: log_sum_exp(x, dim), lambda x: torch.logsumexp(x, dim), x)
    assert torch.equal(Softmax(dim)(x), softmax(x, dim))


def test_where_the_plain_formula_overflows() -> None:
    x = torch.tensor([1000.0, 0.0])
    assert not torch.isfinite(x.exp().sum().log())
    assert torch.equal(softmax(x), torch.tensor([1.0, 0.0]))
    assert float(log_sum_exp(x)) == 1000.0


def test_infinities() -> None:
    def of(*numbers: float) -> Tensor:
        return log_sum_exp(torch.tensor(numbers))

    assert of(-math.inf, -math.inf) == -math.inf
    assert of(math.inf, 0.0) == math.inf
    assert of(-math.inf, 2.0) == 2.0

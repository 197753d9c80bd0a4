"""Cross-correlation against PyTorch's over random shapes, and against five plain loops."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from convnets.errors import ConfigError, InputError
from convnets.layers.convolution import Convolution, cross_correlation, pointwise_convolution

Agree = Callable[..., None]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def pairs(low: int, high: int) -> st.SearchStrategy[int | tuple[int, int]]:
    return st.one_of(st.integers(low, high), st.tuples(st.integers(low, high), st.integers(low, high)))


@settings(max_examples=80, deadline=None)
@given(
    images=st.integers(1, 3),
    groups=st.integers(1, 3),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    side=st.tuples(st.integers(5, 9), st.integers(5, 9)),
    stride=pairs(1, 3),
    padding=pairs(0, 2),
    dilation=pairs(1, 2),
    bias=st.booleans(),
)
def test_equal_to_pytorch(
    agree: Agree,
    images: int,
    groups: int,
    channels: tuple[int, int],
    kernel: tuple[int, int],
    side: tuple[int, int],
    stride: int | tuple[int, int],
    padding: int | tuple[int, int],
    dilation: int | tuple[int, int],
    bias: bool,
) -> None:
    inputs = [normal(images, channels[0] * groups, *side), normal(channels[1] * groups, channels[0], *kernel)]
    if bias:
        inputs.append(normal(channels[1] * groups))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    agree(lambda *a: cross_correlation(*a, **options), lambda *a: F.conv2d(*a, **options), *inputs)


def test_the_formula_in_plain_loops() -> None:
    """y[n, o, p, q] = b[o] + Σ x[n, c, p·s + i·d − m, q·s + j·d − m] w[o, c, i, j] with s = 2, d = 2, m = 1."""
    x, weight, bias = normal(2, 4, 7, 6), normal(6, 2, 2, 3, seed=1), normal(6, seed=2)
    y = cross_correlation(x, weight, bias, stride=2, padding=1, dilation=2, groups=2)
    assert y.shape == (2, 6, 4, 2)
    for n, o, p, q in itertools.product(*map(range, y.shape)):
        total = float(bias[o])
        for c, i, j in itertools.product(range(2), range(2), range(3)):
            row, column = p * 2 + i * 2 - 1, q * 2 + j * 2 - 1
            if 0 <= row < 7 and 0 <= column < 6:
                total += float(x[n, o // 3 * 2 + c, row, column] * weight[o, c, i, j])
        assert float(y[n, o, p, q]) == pytest.approx(total, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(shape=st.tuples(*[st.integers(1, 4)] * 4), outputs=st.integers(1, 4))
def test_one_by_one_is_a_linear_layer_over_pixels(agree: Agree, shape: tuple[int, ...], outputs: int) -> None:
    inputs = [normal(*shape), normal(outputs, shape[1], 1, 1), normal(outputs)]
    agree(pointwise_convolution, F.conv2d, *inputs)


@pytest.mark.parametrize("groups", [1, 2])
def test_the_layer_has_the_weights_and_keys_of_pytorchs(groups: int) -> None:
    own = Convolution(4, 6, 3, stride=2, padding=1, groups=groups).double()
    builtin = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=groups).double()
    assert {k: v.shape for k, v in own.state_dict().items()} == {
        k: v.shape for k, v in builtin.state_dict().items()
    }
    builtin.load_state_dict(own.state_dict())
    x = normal(2, 4, 8, 8)
    torch.testing.assert_close(own(x), builtin(x))


def test_the_layer_starts_as_pytorchs() -> None:
    torch.manual_seed(0)
    own = Convolution(3, 8, 5)
    torch.manual_seed(0)
    builtin = nn.Conv2d(3, 8, 5)
    torch.testing.assert_close(own.state_dict(), builtin.state_dict())


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="got 3 channels; 2 kernels of 4 channels in 1 groups take 4"):
        cross_correlation(torch.zeros(1, 3, 5, 5), torch.zeros(2, 4, 3, 3))
    with pytest.raises(InputError, match="in 2 groups take 4"):
        cross_correlation(torch.zeros(1, 4, 5, 5), torch.zeros(3, 2, 3, 3), groups=2)
    with pytest.raises(InputError, match="window of 3×3, dilation 1×1, does not fit into 2×5 pixels"):
        cross_correlation(torch.zeros(1, 1, 2, 5), torch.zeros(1, 1, 3, 3))
    with pytest.raises(InputError, match="allowed: N×C×H×W"):
        cross_correlation(torch.zeros(1, 5, 5), torch.zeros(1, 1, 3, 3))
    with pytest.raises(ConfigError, match="groups is 2; allowed: a divisor of 3 channels in and 4 out"):
        Convolution(3, 4, 3, groups=2)

"""The native convolutions for few channels against convolutions in float64."""

from __future__ import annotations

import random

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.errors import InputError
from convnets.kernels import native_call
from convnets.kernels.convolutions import small_convolution
from convnets.kernels.convolutions.small_convolution import (
    applies,
    small_forward,
    small_input_gradient,
    small_weight_gradient,
)

Shape = tuple[int, ...]

# images, channels, height, width, filters, kernel, stride, padding
LAYERS = (
    (3, 1, 28, 28, 6, (5, 5), (1, 1), (2, 2)),
    (3, 6, 14, 14, 16, (5, 5), (1, 1), (0, 0)),
    (2, 6, 12, 12, 16, (5, 5), (1, 1), (0, 0)),
    (33, 1, 9, 9, 16, (3, 3), (1, 1), (1, 1)),
    (2, 1, 28, 28, 32, (3, 3), (1, 1), (1, 1)),
    (2, 1, 48, 48, 64, (7, 7), (2, 2), (3, 3)),
    (1, 3, 99, 99, 96, (11, 11), (4, 4), (1, 1)),
    (2, 3, 130, 131, 16, (3, 3), (1, 1), (1, 1)),
    (2, 2, 17, 23, 5, (2, 3), (5, 4), (1, 0)),
    (1, 17, 5, 300, 3, (1, 1), (1, 1), (0, 0)),
    (3, 4, 1, 1, 40, (3, 3), (1, 1), (1, 1)),
    (2, 1, 6, 7, 1, (1, 1), (3, 3), (1, 1)),
)


pytestmark = pytest.mark.usefixtures("native_kernels")


def _random_layers(count: int) -> list[tuple[int, int, int, int, int, Shape, Shape, Shape]]:
    chosen = random.Random(20)
    layers = []
    for _ in range(count):
        kernel = (chosen.randint(1, 11), chosen.randint(1, 11))
        stride = (chosen.randint(1, 5), chosen.randint(1, 5))
        padding = (chosen.randint(0, kernel[0]), chosen.randint(0, kernel[1]))
        sizes = [max(1, k - 2 * p) + chosen.randint(0, 24) for k, p in zip(kernel, padding, strict=True)]
        filters, images = chosen.randint(1, 40), chosen.choice((1, 3))
        layers.append((images, chosen.randint(1, 17), *sizes, filters, kernel, stride, padding))
    return layers  # type: ignore[return-value]


def _relative_error(found: Tensor, expected: Tensor) -> float:
    assert found.shape == expected.shape
    if not torch.isfinite(found).all():
        return float("inf")
    return ((found.double() - expected).abs().max() / expected.abs().max().clamp_min(1e-300)).item()


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize("layer", [*LAYERS, *_random_layers(40)], ids=str)
def test_against_float64(
    layer: tuple[int, int, int, int, int, Shape, Shape, Shape], dtype: torch.dtype, allowed: float
) -> None:
    images, channels, height, width, filters, kernel, stride, padding = layer
    steps = {"stride": stride, "padding": padding}
    x = torch.randn(images, channels, height, width).to(dtype)
    weight, bias = torch.randn(filters, channels, *kernel).to(dtype), torch.randn(filters)
    exact_x, exact_weight, exact_bias = (value.double().requires_grad_() for value in (x, weight, bias))
    exact_y = F.conv2d(exact_x, exact_weight, exact_bias, stride, padding)
    gy = torch.randn(exact_y.shape).to(dtype)
    exact_y.backward(gy.double())

    y = small_forward(x, weight, bias, **steps)
    gx = small_input_gradient(gy, weight, x.shape, **steps)
    gw, gb = small_weight_gradient(x, gy, weight.shape, **steps)

    assert y.dtype == gx.dtype == dtype
    assert gw.dtype == gb.dtype == torch.float32
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert exact_x.grad is not None
    assert exact_weight.grad is not None
    assert exact_bias.grad is not None
    assert _relative_error(y, exact_y) <= allowed
    assert _relative_error(gx, exact_x.grad) <= allowed
    assert _relative_error(gw, exact_weight.grad) <= 1e-5  # sums are float32 whatever the inputs are
    assert _relative_error(gb, exact_bias.grad) <= 1e-5


def test_without_bias() -> None:
    x, weight = torch.randn(2, 1, 12, 12), torch.randn(6, 1, 5, 5)
    assert _relative_error(small_forward(x, weight), F.conv2d(x.double(), weight.double())) <= 1e-5


def test_bfloat16_inputs_round_a_float32_weight() -> None:
    x, weight = torch.randn(2, 6, 14, 14).bfloat16(), torch.randn(16, 6, 5, 5)
    assert torch.equal(small_forward(x, weight), small_forward(x, weight.bfloat16()))


@pytest.mark.usefixtures("restored_threads")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_same_bits_with_any_number_of_threads(dtype: torch.dtype) -> None:
    x, weight = torch.randn(37, 6, 14, 14).to(dtype), torch.randn(16, 6, 5, 5)
    gy = torch.randn(37, 16, 10, 10).to(dtype)
    results = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        y, gx = small_forward(x, weight), small_input_gradient(gy, weight, x.shape)
        results.append((y, gx, *small_weight_gradient(x, gy, weight.shape)))
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            assert torch.equal(first, second)


def test_other_memory_formats_are_converted() -> None:
    x, weight = torch.randn(2, 6, 14, 14), torch.randn(16, 6, 5, 5)
    gy = torch.randn(2, 16, 10, 10)
    last = torch.channels_last
    wide = torch.randn(2, 6, 14, 28)[..., ::2]
    y = small_forward(x, weight)
    assert torch.equal(y, small_forward(x.to(memory_format=last), weight.to(memory_format=last)))
    assert torch.equal(small_forward(wide, weight), small_forward(wide.clone(), weight))
    gx = small_input_gradient(gy, weight, x.shape)
    assert torch.equal(gx, small_input_gradient(gy.to(memory_format=last), weight, x.shape))
    gw, _ = small_weight_gradient(x, gy, weight.shape)
    gw_last, _ = small_weight_gradient(x.to(memory_format=last), gy.to(memory_format=last), weight.shape)
    assert torch.equal(gw, gw_last)
    one_value = torch.ones(()).expand(2, 16, 10, 10)  # the gradient of a sum has no memory of its own
    gb = small_weight_gradient(x, one_value, weight.shape)[1]
    assert torch.equal(gb, torch.full((16,), 200.0))


def test_an_empty_batch() -> None:
    x, weight, gy = torch.zeros(0, 1, 8, 8), torch.randn(6, 1, 3, 3), torch.zeros(0, 6, 6, 6)
    assert small_forward(x, weight).shape == gy.shape
    assert small_input_gradient(gy, weight, x.shape).shape == x.shape
    assert all(not gradient.any() for gradient in small_weight_gradient(x, gy, weight.shape))


def test_wrong_inputs() -> None:
    x, weight, gy = torch.randn(2, 6, 14, 14), torch.randn(16, 6, 5, 5), torch.randn(2, 16, 10, 10)
    with pytest.raises(InputError, match="float64"):
        small_forward(x.double(), weight)
    with pytest.raises(InputError, match="6 channels and the weight 5"):
        small_forward(x, weight[:, :5])
    with pytest.raises(InputError, match="larger than the padded image"):
        small_forward(x[..., :4], weight)
    with pytest.raises(InputError, match=r"stride \(0, 0\)"):
        small_forward(x, weight, stride=0)
    with pytest.raises(InputError, match="gy has shape"):
        small_input_gradient(gy, weight, x.shape, padding=1)
    with pytest.raises(InputError, match="of one type"):
        small_weight_gradient(x, gy.bfloat16(), weight.shape)


def test_where_it_applies(monkeypatch: pytest.MonkeyPatch) -> None:
    assert applies(1, 6, 5)
    assert applies(6, 16, 5, input_gradient=True)
    assert applies(3, 96, 11, 4)
    assert not applies(64, 64, 3)
    assert not applies(3, 256, 3)
    assert not applies(6, 6, 3, groups=6)
    assert not applies(6, 6, 3, dilation=2)
    assert applies(32, 32, 1)
    assert not applies(32, 32, 1, input_gradient=True)
    for module in (small_convolution, native_call):
        monkeypatch.setattr(module, "compiled_kernels", lambda: None)
    assert not applies(1, 6, 5)
    with pytest.raises(InputError, match="applies"):
        small_forward(torch.randn(1, 1, 8, 8), torch.randn(6, 1, 5, 5))

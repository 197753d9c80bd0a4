"""The native convolutions for many channels against convolutions in float64."""

from __future__ import annotations

import ctypes
import random
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.kernels.convolutions import direct_convolution
from convnets.kernels.convolutions.direct_convolution import (
    applies,
    applies_back,
    applies_forward,
    forward,
    input_gradient,
    weight_gradient,
)
from convnets.kernels.convolutions.shape import ConvolutionShape

LAYERS = (
    ConvolutionShape(13, 64, 9, 9, 64, (3, 3), (1, 1), (1, 1)),  # ResNet's blocks
    ConvolutionShape(9, 128, 3, 3, 512, (3, 3), (1, 1), (1, 1)),
    ConvolutionShape(5, 256, 6, 6, 128, (3, 3), (2, 2), (1, 1)),
    ConvolutionShape(5, 256, 6, 6, 128, (1, 1), (2, 2)),
    ConvolutionShape(3, 160, 12, 12, 32, (3, 3), (1, 1), (1, 1)),  # DenseNet
    ConvolutionShape(26, 528, 3, 3, 48, (1, 1)),  # GoogLeNet
    ConvolutionShape(3, 16, 120, 120, 32, (3, 3), (1, 1), (1, 1)),  # bands of an image
    ConvolutionShape(1, 96, 26, 26, 256, (5, 5), (1, 1), (2, 2)),  # one image
    ConvolutionShape(2, 512, 5, 5, 512, (5, 5)),  # a kernel as large as the image
    ConvolutionShape(49, 16, 4, 4, 16, (2, 2), (3, 3)),  # a stride that steps over pixels
)


TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
ALLOWED = {"fp32": 1e-5, "bf16": 3e-3}  # bf16 results are rounded once to 8 bits


@pytest.fixture(params=TYPES)
def dtype(request: pytest.FixtureRequest, native_kernels: ctypes.CDLL) -> str:
    name: str = request.param
    if name == "bf16" and not native_kernels.convnets_has_bfloat16_pairs():
        pytest.skip("this processor has no products of bfloat16 pairs")
    return name


def _random_layers(count: int) -> list[ConvolutionShape]:
    chosen = random.Random(21)
    layers = []
    for _ in range(count):
        kernel = (chosen.randint(1, 7), chosen.randint(1, 7))
        stride = (chosen.randint(1, 4), chosen.randint(1, 4))
        padding = (chosen.randint(0, kernel[0]), chosen.randint(0, kernel[1]))
        sizes = [max(1, k - 2 * p) + chosen.randint(0, 14) for k, p in zip(kernel, padding, strict=True)]
        images, channels, filters = chosen.choice((1, 2, 3, 8, 17)), *chosen.sample(range(16, 150), 2)
        layers.append(ConvolutionShape(images, channels, *sizes, filters, kernel, stride, padding))
    return layers


def _noise(dtype: torch.dtype, *sizes: int) -> Tensor:
    """N×C×H×W, channels-last."""
    images, channels, height, width = sizes
    return torch.randn(images, height, width, channels).to(dtype).permute(0, 3, 1, 2)


def _operands(shape: ConvolutionShape) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    kind = TYPES[shape.dtype]
    x = _noise(kind, shape.batch, shape.in_channels, shape.height, shape.width)
    weight = _noise(kind, shape.out_channels, shape.in_channels, *shape.kernel)
    gradient = _noise(kind, shape.batch, shape.out_channels, *shape.output_size)
    return x, weight, torch.randn(shape.out_channels).to(kind), gradient


def _error(found: Tensor, expected: Tensor | None) -> float:
    assert expected is not None
    assert found.shape == expected.shape
    if not torch.isfinite(found).all():
        return float("inf")
    return ((found.double() - expected).norm() / expected.norm().clamp_min(1e-300)).item()


@pytest.mark.usefixtures("restored_threads")
@pytest.mark.parametrize("shape", [*LAYERS, *_random_layers(60)], ids=ConvolutionShape.key)
def test_against_float64(shape: ConvolutionShape, dtype: str) -> None:
    shape, allowed = replace(shape, dtype=dtype), ALLOWED[dtype]
    x, weight, bias, gradient = _operands(shape)
    exact = [value.double().requires_grad_() for value in (x, weight, bias)]
    y = F.conv2d(exact[0], exact[1], exact[2], shape.stride, shape.padding)
    y.backward(gradient.double())
    torch.set_num_threads(1 + shape.height % 3)
    assert applies(shape)
    if applies_forward(shape):
        assert _error(forward(x, weight, bias, shape, False), y.detach()) <= allowed
        assert (
            _error(forward(x, weight, None, shape, True), F.relu(y - exact[2][:, None, None]).detach())
            <= allowed
        )
    if applies_back(shape):
        assert _error(input_gradient(gradient, x, weight, shape), exact[0].grad) <= allowed
    found, of_bias = weight_gradient(gradient, x, shape)
    assert found.dtype == torch.float32
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert of_bias is not None
    assert _error(found, exact[1].grad) <= 1e-5  # sums of exact products, in float32
    assert _error(of_bias, exact[2].grad) <= 1e-5
    assert weight_gradient(gradient, x, replace(shape, bias=False))[1] is None


@pytest.mark.usefixtures("restored_threads")
def test_more_threads_than_work(dtype: str) -> None:
    shape = ConvolutionShape(3, 32, 4, 4, 16, (3, 3), (1, 1), (1, 1), dtype=dtype)
    x, weight, _, gradient = _operands(shape)
    one = (forward(x, weight, None, shape, False), input_gradient(gradient, x, weight, shape))
    total = weight_gradient(gradient, x, shape)[0]
    torch.set_num_threads(9)
    assert torch.equal(forward(x, weight, None, shape, False), one[0])
    assert torch.equal(input_gradient(gradient, x, weight, shape), one[1])
    torch.testing.assert_close(weight_gradient(gradient, x, shape)[0], total)


def test_what_is_not_finite_stays_with_its_image(dtype: str) -> None:
    shape = ConvolutionShape(5, 16, 6, 6, 16, (3, 3), (1, 1), (1, 1), dtype=dtype)
    x, weight, bias, gradient = _operands(shape)
    x[2, 3, 4, 4] = float("nan")
    gradient[2, 1, 0, 0] = float("inf")
    y, gx = forward(x, weight, bias, shape, True), input_gradient(gradient, x, weight, shape)
    assert y[2, :, 4, 4].isnan().all()
    assert not gx[2, :, 0, 0].isfinite().any()
    for image in (0, 1, 3, 4):
        assert y[image].isfinite().all()
        assert gx[image].isfinite().all()
    assert not weight_gradient(gradient, x, shape)[0].isfinite().all()


def test_memory_that_is_not_channels_last_is_copied(dtype: str) -> None:
    shape = ConvolutionShape(2, 32, 7, 5, 16, (3, 3), (1, 1), (1, 1), dtype=dtype)
    x, weight, bias, gradient = _operands(shape)
    plain_x, plain_weight, plain_gradient = (part.contiguous() for part in (x, weight, gradient))
    assert torch.equal(
        forward(plain_x, plain_weight, bias, shape, False), forward(x, weight, bias, shape, False)
    )
    assert torch.equal(
        input_gradient(plain_gradient, x, plain_weight, shape), input_gradient(gradient, x, weight, shape)
    )
    one_value = torch.ones((), dtype=TYPES[dtype]).expand(gradient.shape)  # the gradient of a sum
    found = weight_gradient(one_value, plain_x, shape)[1]
    assert found is not None
    assert torch.equal(found, torch.full((16,), 70.0))


def test_where_they_apply(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = ConvolutionShape(2, 64, 8, 8, 64, (3, 3), (1, 1), (1, 1), dtype=dtype)
    assert applies(shape)
    assert not applies(replace(shape, dtype="fp64"))
    assert not applies(replace(shape, in_channels=15))
    assert not applies(replace(shape, out_channels=15))
    odd = replace(shape, in_channels=63)
    assert applies(odd)
    assert applies_forward(odd) == (dtype == "fp32")  # bf16 is multiplied in pairs
    assert applies_back(odd)
    assert applies_back(replace(shape, out_channels=65)) == (dtype == "fp32")
    monkeypatch.setattr(direct_convolution, "compiled_kernels", lambda: None)
    assert not applies(shape)

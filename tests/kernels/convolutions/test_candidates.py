"""Every kernel in every direction against PyTorch's convolution in float64."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from convnets.errors import UnknownNameError
from convnets.kernels.convolutions import candidates, product
from convnets.kernels.convolutions.candidates import CANDIDATES, FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT
from convnets.kernels.convolutions.im2col import PatchProduct, PlaneProduct
from convnets.kernels.convolutions.shape import ConvolutionShape, channels_last

ALLOWED = {"bf16": 1e-2, "fp32": 1e-5, "fp64": 1e-12}
SHAPES = [
    ConvolutionShape(3, 1, 28, 28, 6, (5, 5), (1, 1), (2, 2)),  # LeNet
    ConvolutionShape(2, 6, 14, 14, 16, (5, 5)),
    ConvolutionShape(1, 1, 45, 39, 8, (11, 11), (4, 4), (2, 2)),  # AlexNet's first layer
    ConvolutionShape(2, 1, 21, 23, 8, (7, 7), (2, 2), (3, 3), bias=False),
    ConvolutionShape(2, 3, 9, 9, 5, (3, 3), (1, 1), (1, 1)),
    ConvolutionShape(4, 40, 3, 3, 48, (3, 3), (1, 1), (1, 1), bias=False),  # small maps, many channels
    ConvolutionShape(7, 18, 6, 7, 34, (3, 3), (2, 2), (1, 1)),
    ConvolutionShape(2, 8, 9, 7, 5, (3, 3), (2, 2), (1, 1)),
    ConvolutionShape(2, 3, 8, 8, 7, (2, 2), (3, 3)),  # stride > kernel
    ConvolutionShape(3, 16, 9, 9, 8, (1, 1), (2, 2)),  # the same, on ResNet's side path
    ConvolutionShape(2, 12, 5, 4, 9, (1, 1), bias=False),
    ConvolutionShape(2, 4, 6, 5, 3, (1, 1), (1, 1), (1, 1)),  # 1×1, but padded
    ConvolutionShape(1, 5, 6, 4, 3, (6, 4)),  # kernel = the whole map
    ConvolutionShape(2, 5, 5, 5, 4, (3, 3), (1, 1), (3, 3)),  # padding ≥ kernel
    ConvolutionShape(2, 5, 5, 5, 4, (4, 4), (1, 1), (2, 2)),  # padding ≥ kernel / 2, an even kernel
    ConvolutionShape(2, 3, 11, 8, 4, (3, 5), (2, 1), (1, 2), bias=False),  # nothing square
]
ENTRIES = [(direction, name) for direction, table in CANDIDATES.items() for name in table]


@cache
def operands(shape: ConvolutionShape) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
    """x, weight, bias and output gradient: float64 tensors that bf16 holds exactly, channels-last."""
    generator = torch.Generator().manual_seed(1)

    def noise(*sizes: int) -> Tensor:
        return torch.randn(sizes, generator=generator).bfloat16().double()

    x = noise(shape.batch, shape.height, shape.width, shape.in_channels).permute(0, 3, 1, 2)
    weight = noise(shape.out_channels, *shape.kernel, shape.in_channels).permute(0, 3, 1, 2)
    bias = noise(shape.out_channels) if shape.bias else None
    return x, weight, bias, noise(shape.batch, *shape.output_size, shape.out_channels).permute(0, 3, 1, 2)


@cache
def references(shape: ConvolutionShape) -> dict[str, tuple[Tensor, ...]]:
    x, weight, bias, gradient = operands(shape)
    leaves = [t.clone().requires_grad_() for t in (x, weight, bias) if t is not None]
    y = F.conv2d(leaves[0], leaves[1], leaves[2] if shape.bias else None, shape.stride, shape.padding)
    y.backward(gradient)
    grads = [leaf.grad for leaf in leaves if leaf.grad is not None]
    return {
        "forward": (y.detach(),),
        "relu": (y.detach().relu(),),
        "input_gradient": (grads[0],),
        "weight_gradient": tuple(grads[1:]),
    }


def run(direction: str, name: str, shape: ConvolutionShape) -> tuple[Tensor, ...]:
    x, weight, bias, gradient = (
        None if part is None else part.to(shape.torch_dtype) for part in operands(shape)
    )
    assert x is not None
    assert weight is not None
    assert gradient is not None
    if direction in ("forward", "relu"):
        return (FORWARD[name].run(x, weight, bias, shape, direction == "relu"),)
    if direction == "input_gradient":
        return (INPUT_GRADIENT[name].run(gradient, x, weight, shape),)
    found, bias_gradient = WEIGHT_GRADIENT[name].run(gradient, x, shape)
    return (found,) if bias_gradient is None else (found, bias_gradient)


def in_type(shape: ConvolutionShape, dtype: str) -> ConvolutionShape:
    return ConvolutionShape(**{**shape.__dict__, "dtype": dtype})


def check(direction: str, found: tuple[Tensor, ...], shape: ConvolutionShape) -> None:
    expected = references(in_type(shape, "fp64"))[direction]
    assert len(found) == len(expected)
    for part, reference in zip(found, expected, strict=True):
        assert part.shape == reference.shape
        error = float((part.double() - reference).norm() / reference.norm())
        assert error <= ALLOWED[shape.dtype], (direction, shape.key(), error)


@pytest.mark.parametrize("dtype", ["bf16", "fp32", "fp64"])
@pytest.mark.parametrize(("direction", "name"), [*ENTRIES, *(("relu", name) for name in FORWARD)])
def test_a_kernel_gives_what_float64_gives(direction: str, name: str, dtype: str) -> None:
    table = CANDIDATES["forward" if direction == "relu" else direction]
    tried = 0
    for general in SHAPES:
        shape = in_type(general, dtype)
        if table[name].applies(shape):
            check(direction, run(direction, name, shape), shape)
            tried += 1
    assert tried >= 2 or name in (
        "small",
        "direct",
    )  # they need a compiler, and the second certain processors


@pytest.mark.parametrize("dtype", ["bf16", "fp32"])
def test_images_come_out_channels_last(dtype: str) -> None:
    for direction in ("forward", "input_gradient"):
        for name, candidate in CANDIDATES[direction].items():
            for general in SHAPES:
                shape = in_type(general, dtype)
                if candidate.applies(shape):
                    found = run(direction, name, shape)[0]
                    _, channels, height, width = found.shape
                    assert found.stride() == (height * width * channels, 1, width * channels, channels)
                    assert found.dtype == shape.torch_dtype


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data(), limit=st.sampled_from([1, 3000, 1 << 26]))
def test_im2col_in_parts_of_any_size(data: st.DataObject, limit: int) -> None:
    def pick(low: int, high: int) -> int:
        return data.draw(st.integers(low, high))

    kernel, padding = (pick(1, 4), pick(1, 4)), (pick(0, 4), pick(0, 4))
    height = pick(max(1, kernel[0] - 2 * padding[0]), 9)
    width = pick(max(1, kernel[1] - 2 * padding[1]), 9)
    sizes = (pick(1, 5), pick(1, 5), height, width, pick(1, 4))
    shape = ConvolutionShape(
        *sizes, kernel, (pick(1, 5), pick(1, 5)), padding, data.draw(st.booleans()), "fp64"
    )
    x, weight, bias, gradient = operands(shape)
    for kernels in (PatchProduct(limit), PlaneProduct(limit)):
        y = kernels.forward(x, weight, bias, shape, False)
        torch.testing.assert_close(y, references(shape)["forward"][0], rtol=1e-12, atol=1e-12)
        found, of_bias = kernels.weight_gradient(gradient, x, shape)
        reference = references(shape)["weight_gradient"]
        torch.testing.assert_close(found, reference[0], rtol=1e-12, atol=1e-12)
        assert (of_bias is None) == (not shape.bias)
    back = PatchProduct(limit).input_gradient(gradient, x, weight, shape)
    torch.testing.assert_close(back, references(shape)["input_gradient"][0], rtol=1e-12, atol=1e-12)


def test_parts_of_a_weight_gradient_are_added_in_float32() -> None:
    """2,000 parts that bf16 would stop counting at 256."""
    shape = ConvolutionShape(2000, 1, 2, 2, 1, (2, 1), bias=False)
    ones, gradient = torch.ones(2000, 1, 2, 2).bfloat16(), torch.ones(2000, 1, 1, 2).bfloat16()
    for kernels in (PatchProduct(1), PlaneProduct(1)):
        found, _ = kernels.weight_gradient(gradient, ones, shape)
        assert found.flatten().tolist() == [4000.0, 4000.0]


def test_a_product_copies_nothing_for_1x1_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = ConvolutionShape(2, 8, 5, 5, 4, (1, 1), bias=False)
    seen = []
    monkeypatch.setattr(product.F, "linear", lambda *operands: seen.extend(operands) or torch.zeros(50, 4))
    x, weight, _, _ = (None if part is None else part.bfloat16() for part in operands(shape))
    assert x is not None
    assert weight is not None
    product.forward(x, weight, None, shape, False)
    assert seen[0].data_ptr() == x.data_ptr()
    assert seen[1].data_ptr() == weight.data_ptr()


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_nan_comes_through_relu_so_that_divergence_is_seen(dtype: str) -> None:
    for shape in (
        ConvolutionShape(2, 3, 5, 5, 4, (3, 3), dtype=dtype),
        ConvolutionShape(2, 3, 5, 5, 4, (1, 1)),
    ):
        for name in candidates.applicable("forward", shape):
            x, weight, bias, _ = operands(shape)
            x = x.to(shape.torch_dtype)
            x[0, 1, 2, 2] = float("nan")
            kernel = FORWARD[name].run
            bias = None if bias is None else bias.to(shape.torch_dtype)
            y = kernel(channels_last(x), channels_last(weight.to(shape.torch_dtype)), bias, shape, True)
            assert y[0, :, 1, 1].isnan().all() or y[0, :, 2, 2].isnan().all(), name
            assert not y[1].isnan().any(), name


def test_a_kernel_that_does_not_take_a_shape_gives_way_to_onednn() -> None:
    shape = ConvolutionShape(1, 2, 4, 4, 2, (3, 3))
    assert candidates.find(FORWARD, "product", shape) is FORWARD["onednn"].run
    assert candidates.find(FORWARD, "im2col", shape) is FORWARD["im2col"].run
    with pytest.raises(UnknownNameError, match="unknown convolution kernel 'im2cols'; nearest: im2col"):
        candidates.find(FORWARD, "im2cols", shape)

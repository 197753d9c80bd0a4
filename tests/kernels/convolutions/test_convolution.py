"""The convolution by plan: gradients, types, and what is not computed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from convnets.errors import ConfigError, InputError, UnknownNameError
from convnets.kernels.convolutions import convolution as module
from convnets.kernels.convolutions.candidates import Candidate
from convnets.kernels.convolutions.convolution import ONEDNN, ConvolutionPlan, convolution

IM2COL = ConvolutionPlan("im2col", "im2col", "im2col")
PLANES = ConvolutionPlan("im2col-planes", "im2col-blocked", "im2col-planes")
PLANS = [ONEDNN, IM2COL, PLANES, ConvolutionPlan("product", "product", "product")]


def noise(*sizes: int, seed: int = 0) -> Tensor:
    return torch.randn(sizes, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.forward)
@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [((3, 2), (1, 1), (1, 0)), ((1, 1), (2, 2), (0, 0)), ((2, 2), (3, 2), (1, 1))],
)
def test_gradients_are_those_of_finite_differences(
    plan: ConvolutionPlan,
    activation: str | None,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> None:
    x, weight = noise(2, 3, 5, 4).double(), noise(2, 3, *kernel, seed=1).double()
    leaves = [part.requires_grad_() for part in (x, weight, noise(2, seed=2).double())]
    assert torch.autograd.gradcheck(
        lambda *parts: convolution(*parts, stride, padding, plan, activation), leaves
    )


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.forward)
@pytest.mark.parametrize("autocast", [True, False])
def test_autocast_decides_the_type_and_gradients_keep_their_own(
    plan: ConvolutionPlan, autocast: bool
) -> None:
    x, weight, bias = noise(2, 3, 8, 8), noise(4, 3, 3, 3, seed=1), noise(4, seed=2)
    leaves = [part.clone().requires_grad_() for part in (x, weight, bias)]
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        y = convolution(*leaves, padding=(1, 1), plan=plan)
    assert y.dtype is (torch.bfloat16 if autocast else torch.float32)
    y.float().square().sum().backward()
    expected = [part.double().requires_grad_() for part in (x, weight, bias)]
    F.conv2d(*expected, padding=1).square().sum().backward()
    for leaf, reference in zip(leaves, expected, strict=True):
        assert leaf.grad is not None
        assert reference.grad is not None
        assert leaf.grad.dtype is torch.float32
        error = (leaf.grad.double() - reference.grad).norm() / reference.grad.norm()
        assert error < (1e-2 if autocast else 1e-5)


def test_bf16_images_meet_float32_weights() -> None:
    x, weight = noise(2, 3, 8, 8).bfloat16().requires_grad_(), noise(4, 3, 3, 3, seed=1).requires_grad_()
    y = convolution(x, weight)
    assert y.dtype is torch.bfloat16
    y.sum().backward()
    assert x.grad is not None
    assert weight.grad is not None
    assert (x.grad.dtype, weight.grad.dtype) == (torch.bfloat16, torch.float32)


def test_any_layout_goes_in_and_channels_last_comes_out() -> None:
    x, weight = noise(2, 3, 6, 6), noise(4, 3, 3, 3, seed=1)
    expected = F.conv2d(x, weight)
    for images in (x, x.contiguous(memory_format=torch.channels_last), x.flip(3).flip(3), x[:, :, ::1]):
        for kernels in (weight, weight.contiguous(memory_format=torch.channels_last)):
            y = convolution(images, kernels, plan=IM2COL)
            assert y.stride() == (64, 1, 16, 4)
            torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-5)
    one = convolution(noise(2, 1, 6, 6), noise(4, 1, 3, 3))
    assert one.stride() == (64, 1, 16, 4)


def test_a_gradient_in_another_layout_is_taken() -> None:
    x, weight = noise(2, 3, 6, 6), noise(4, 3, 3, 3, seed=1).requires_grad_()
    gradient = noise(2, 4, 4, 4, seed=2)
    F.conv2d(x, weight).backward(gradient)
    assert weight.grad is not None
    expected, weight.grad = weight.grad, None
    convolution(x, weight, plan=IM2COL).backward(gradient)
    torch.testing.assert_close(weight.grad, expected, rtol=1e-5, atol=1e-5)


def test_only_what_is_asked_for_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Tensor:
        raise AssertionError("nobody asked for this gradient")

    monkeypatch.setitem(module.INPUT_GRADIENT, "refuse", Candidate(lambda _: True, refuse))
    monkeypatch.setitem(module.WEIGHT_GRADIENT, "refuse", Candidate(lambda _: True, refuse))
    x, weight, bias = noise(2, 3, 6, 6), noise(4, 3, 3, 3, seed=1), noise(4, seed=2)
    weight.requires_grad_()
    convolution(x, weight, plan=ConvolutionPlan(input_gradient="refuse")).sum().backward()
    assert weight.grad is not None
    weight.requires_grad_(False)
    x.requires_grad_()
    convolution(x, weight, plan=ConvolutionPlan(weight_gradient="refuse")).sum().backward()
    assert x.grad is not None
    bias.requires_grad_()
    convolution(x, weight, bias, plan=ConvolutionPlan(weight_gradient="refuse")).sum().backward()
    torch.testing.assert_close(bias.grad, torch.full((4,), 2.0 * 4 * 4))
    with pytest.raises(AssertionError, match="nobody asked"):
        convolution(x, weight, plan=ConvolutionPlan(input_gradient="refuse")).sum().backward()


def test_the_mask_of_relu_takes_no_part_in_the_saved_input() -> None:
    """The output is saved for the mask; changing it afterwards must not pass unnoticed."""
    x, weight = noise(2, 3, 6, 6), noise(4, 3, 3, 3, seed=1).requires_grad_()
    y = convolution(x, weight, activation="relu")
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize("name", list(module.FORWARD))
@pytest.mark.parametrize("side", [1, 3])
@pytest.mark.parametrize("channels", [1, 4])
def test_the_output_may_be_changed_in_place(name: str, side: int, channels: int) -> None:
    x, weight = noise(2, 3, 6, 6), noise(channels, 3, side, side, seed=1)
    kernels, reference = weight.clone().requires_grad_(), weight.clone().requires_grad_()
    y = convolution(x, kernels, plan=ConvolutionPlan(name))
    y.relu_().sum().backward()
    expected = F.conv2d(x, reference).relu()
    expected.sum().backward()
    torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(kernels.grad, reference.grad, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"activation": "gelu"}, ConfigError, "activation is 'gelu'; allowed: 'relu', None"),
        ({"plan": ConvolutionPlan(forward="fft")}, UnknownNameError, "unknown convolution kernel 'fft'"),
        ({"weight": torch.ones(4, 2, 3, 3)}, InputError, "with the same C"),
        ({"weight": torch.ones(4, 3, 9, 3)}, InputError, "a kernel inside the padded image"),
        ({"x": torch.ones(2, 3, 6, 6).half()}, InputError, "allowed: torch.bfloat16, torch.float32"),
        ({"x": torch.ones(2, 3, 6, 6, device="meta")}, InputError, "allowed: cpu"),
        ({"stride": (0, 1)}, InputError, "a stride from 1"),
    ],
)
def test_what_does_not_fit_is_said(
    arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    given = {"x": torch.ones(2, 3, 6, 6), "weight": torch.ones(4, 3, 3, 3), **arguments}
    with pytest.raises(error, match=message):
        convolution(**given)  # type: ignore[arg-type]

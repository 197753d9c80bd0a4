"""The check of a kernel's results before it is timed: it lets the right ones pass and no wrong one."""

from __future__ import annotations

import pytest
import torch

from convnets.kernels.convolutions.candidates import CANDIDATES, applicable
from convnets.kernels.convolutions.shape import ConvolutionShape
from convnets.kernels.tuning.operands import Operands, _spread_images

SHAPE = ConvolutionShape(7, 3, 9, 8, 5, (3, 3), (2, 1), (1, 1))


@pytest.mark.parametrize("dtype", ["bf16", "fp32", "fp64"])
def test_right_results_pass(dtype: str) -> None:
    operands = Operands(ConvolutionShape(**{**SHAPE.__dict__, "dtype": dtype}))
    for direction in CANDIDATES:
        for name in applicable(direction, operands.shape):
            assert operands.fault(direction, operands.run(direction, name)) is None


@pytest.mark.parametrize("direction", list(CANDIDATES))
def test_wrong_results_are_named(direction: str) -> None:
    operands = Operands(SHAPE)
    right = operands.run(direction, "onednn")
    image = operands.checked[-1] if direction != "weight_gradient" else 0
    for factor in (1.05, 0.0, float("nan")):
        wrong = [part.clone() for part in right]
        wrong[-1][image] *= factor  # one image, or one number of the bias' gradient
        fault = operands.fault(direction, tuple(wrong))
        assert fault is not None
        assert fault.startswith("relative error")
    assert "results" in (operands.fault(direction, (*right, right[0])) or "")
    assert "shape" in (operands.fault(direction, (right[0][:, :1], *right[1:])) or "")


def test_the_gradient_that_is_checked_comes_from_all_images_that_have_one() -> None:
    operands = Operands(SHAPE)
    nonzero = operands.gradient.abs().sum((1, 2, 3)) > 0
    assert nonzero.nonzero().flatten().tolist() == operands.checked == [0, 2, 3, 6]
    operands.fill()
    assert (operands.gradient.abs().sum((1, 2, 3)) > 0).all()
    assert operands.gradient.permute(0, 2, 3, 1).is_contiguous()


def test_fewer_images_of_a_large_shape_are_checked() -> None:
    large = ConvolutionShape(64, 64, 112, 112, 64, (3, 3), (1, 1), (1, 1))
    assert _spread_images(large) == [63]
    assert _spread_images(ConvolutionShape(1, 1, 4, 4, 1, (1, 1))) == [0]


def test_random_numbers_elsewhere_do_not_move() -> None:
    before = torch.get_rng_state()
    Operands(SHAPE).fill()
    assert torch.equal(torch.get_rng_state(), before)

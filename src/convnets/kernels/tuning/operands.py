"""Random operands of a convolution, and whether a kernel's result for them is right."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

from convnets.kernels.convolutions.candidates import FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT
from convnets.kernels.convolutions.shape import ConvolutionShape

__all__ = ["Operands"]

_TOLERANCE: Final = {"bf16": 2e-2, "fp32": 1e-4, "fp64": 1e-9}
_NOISE = 65_521  # values, tiled over each operand; a prime, so that no axis has the period
_CHECKED_MACS = 100_000_000  # the float64 reference takes a few hundredths of a second for these


class Operands:
    """Input, weight, bias and output gradient of a shape, and the results in float64 for a few of the images.

    The gradient of the other images is zero until `fill`, so that the gradient of the weight is known too.

    >>> operands = Operands(ConvolutionShape(2, 1, 6, 6, 3, (3, 3), dtype="fp32"))
    >>> operands.fault("forward", operands.run("forward", "onednn"))
    >>> operands.fault("forward", tuple(2 * part for part in operands.run("forward", "onednn")))
    'relative error 1 of forward, allowed 0.0001'
    """

    def __init__(self, shape: ConvolutionShape) -> None:
        self.shape = shape
        generator = torch.Generator().manual_seed(0)
        self._noise = torch.randn(_NOISE, generator=generator).to(shape.torch_dtype)
        images = (shape.batch, shape.height, shape.width, shape.in_channels)
        self.x = self._random(images).permute(0, 3, 1, 2)
        self.weight = self._random((shape.out_channels, *shape.kernel, shape.in_channels)).permute(0, 3, 1, 2)
        self.bias = self._random((shape.out_channels,)) if shape.bias else None
        out = (shape.batch, *shape.output_size, shape.out_channels)
        self.checked = _spread_images(shape)
        gradient = torch.zeros(out, dtype=shape.torch_dtype)
        gradient[self.checked] = self._random((len(self.checked), *out[1:]))
        self.gradient = gradient.permute(0, 3, 1, 2)
        self._references: dict[str, tuple[Tensor, ...]] = {}

    def fill(self) -> None:
        """Give every image a random output gradient: timing is then done on data as they are in training."""
        target = self.gradient.permute(0, 2, 3, 1)
        target.copy_(self._random(tuple(target.shape)))

    def run(self, direction: str, name: str) -> tuple[Tensor, ...]:
        """What the kernel `name` makes of the operands."""
        if direction == "forward":
            return (FORWARD[name].run(self.x, self.weight, self.bias, self.shape, False),)
        if direction == "input_gradient":
            return (INPUT_GRADIENT[name].run(self.gradient, self.x, self.weight, self.shape),)
        found, bias = WEIGHT_GRADIENT[name].run(self.gradient, self.x, self.shape)
        return (found,) if bias is None else (found, bias)

    def fault(self, direction: str, results: tuple[Tensor, ...]) -> str | None:
        """What is wrong with the results of `run` before `fill`, or None.

        The error is ‖found − reference‖₂ / ‖reference‖₂, with the reference in float64 from the same operands.
        """
        allowed = _TOLERANCE[self.shape.dtype]
        references = self._reference(direction)
        if len(results) != len(references):
            return f"{len(results)} results of {direction}, allowed {len(references)}"
        for found, reference in zip(results, references, strict=True):
            part = found if direction == "weight_gradient" else found[self.checked]
            if part.shape != reference.shape:
                return f"shape {tuple(part.shape)} of {direction}, allowed {tuple(reference.shape)}"
            error = _relative_error(part, reference)
            if not error <= allowed:  # NaN is a fault as well
                return f"relative error {error:.2g} of {direction}, allowed {allowed:g}"
        return None

    def _reference(self, direction: str) -> tuple[Tensor, ...]:
        """In float64, which oneDNN does not compute: PyTorch's own kernels do."""
        if direction not in self._references:
            shape = self.shape
            x, weight = self.x[self.checked].double(), self.weight.double()
            sides = (list(shape.stride), list(shape.padding), [1, 1], False, [0, 0], 1)
            if direction == "forward":
                bias = None if self.bias is None else self.bias.double()
                found: tuple[Tensor, ...] = (torch.convolution(x, weight, bias, *sides),)
            else:
                mask = [direction == "input_gradient", direction != "input_gradient", False]
                gradient = self.gradient[self.checked].double()
                parts = torch.ops.aten.convolution_backward(gradient, x, weight, None, *sides, mask)
                found = (parts[0] if mask[0] else parts[1],)
                if shape.bias and mask[1]:
                    found = (*found, gradient.sum((0, 2, 3)))
            self._references[direction] = found
        return self._references[direction]

    def _random(self, sizes: tuple[int, ...]) -> Tensor:
        """Normal noise; tiled, because to draw each of many millions of numbers takes longer than to use them."""
        count = math.prod(sizes)
        return self._noise.repeat(-(-count // _NOISE))[:count].view(sizes)


def _spread_images(shape: ConvolutionShape) -> list[int]:
    """The first, the last and two images between, or fewer of a large shape: work is shared out by images."""
    affordable = max(1, _CHECKED_MACS * shape.batch // max(1, shape.macs))
    last = shape.batch - 1
    wanted = [last, 0, last // 2, last // 3]
    return sorted(set(wanted[:affordable]))


def _relative_error(found: Tensor, reference: Tensor) -> float:
    size = float(reference.norm())
    error = float((found.double() - reference).norm())
    return error / size if size > 0 else error

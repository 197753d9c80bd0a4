"""The kernels that a convolution can choose among, by name: the one place where a kernel is entered.

A kernel takes operands of one type, all channels-last, and gives channels-last. `applies` says for which shapes
it is right; `run` is only called for those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from torch import Tensor

from convnets.errors import UnknownNameError
from convnets.kernels.convolutions import direct_convolution, onednn, product, small_candidate
from convnets.kernels.convolutions.im2col import PatchProduct, PlaneProduct
from convnets.kernels.convolutions.shape import ConvolutionShape

__all__ = [
    "CANDIDATES",
    "FORWARD",
    "INPUT_GRADIENT",
    "WEIGHT_GRADIENT",
    "Candidate",
    "applicable",
    "find",
]

Forward = Callable[[Tensor, Tensor, Tensor | None, ConvolutionShape, bool], Tensor]
"""(x, weight, bias, shape, relu) → y"""

InputGradient = Callable[[Tensor, Tensor, Tensor, ConvolutionShape], Tensor]
"""(∂L/∂y, x, weight, shape) → ∂L/∂x; the values of `x` do not matter, but PyTorch asks for it"""

WeightGradient = Callable[[Tensor, Tensor, ConvolutionShape], tuple[Tensor, Tensor | None]]
"""(∂L/∂y, x, shape) → ∂L/∂weight and, where shape.bias, ∂L/∂bias; in float32 where that costs nothing"""

Run = TypeVar("Run")


@dataclass(frozen=True)
class Candidate(Generic[Run]):
    """A kernel for one direction, and the shapes that it takes."""

    applies: Callable[[ConvolutionShape], bool]
    run: Run


# large parts amortize each product's start; parts of 4 MiB stay in the second- or third-level cache
_LARGE, _BLOCKED = PatchProduct(64 << 20), PatchProduct(4 << 20)
_PLANES = PlaneProduct(4 << 20)

FORWARD: Final[dict[str, Candidate[Forward]]] = {
    "onednn": Candidate(onednn.applies, onednn.forward),
    "product": Candidate(product.applies, product.forward),
    "im2col": Candidate(_LARGE.applies, _LARGE.forward),
    "im2col-blocked": Candidate(_BLOCKED.applies, _BLOCKED.forward),
    "im2col-planes": Candidate(_PLANES.applies, _PLANES.forward),
    "small": Candidate(small_candidate.applies, small_candidate.forward),
    "direct": Candidate(direct_convolution.applies_forward, direct_convolution.forward),
}

INPUT_GRADIENT: Final[dict[str, Candidate[InputGradient]]] = {
    "onednn": Candidate(onednn.applies, onednn.input_gradient),
    "product": Candidate(product.applies, product.input_gradient),
    "im2col": Candidate(_LARGE.applies, _LARGE.input_gradient),
    "im2col-blocked": Candidate(_BLOCKED.applies, _BLOCKED.input_gradient),
    "small": Candidate(small_candidate.applies_back, small_candidate.input_gradient),
    "direct": Candidate(direct_convolution.applies_back, direct_convolution.input_gradient),
}

WEIGHT_GRADIENT: Final[dict[str, Candidate[WeightGradient]]] = {
    "onednn": Candidate(onednn.applies, onednn.weight_gradient),
    "product": Candidate(product.applies, product.weight_gradient),
    "im2col": Candidate(_LARGE.applies, _LARGE.weight_gradient),
    "im2col-blocked": Candidate(_BLOCKED.applies, _BLOCKED.weight_gradient),
    "im2col-planes": Candidate(_PLANES.applies, _PLANES.weight_gradient),
    "small": Candidate(small_candidate.applies, small_candidate.weight_gradient),
    "direct": Candidate(direct_convolution.applies, direct_convolution.weight_gradient),
}

CANDIDATES: Final[dict[str, dict[str, Candidate[Any]]]] = {
    "forward": FORWARD,
    "input_gradient": INPUT_GRADIENT,
    "weight_gradient": WEIGHT_GRADIENT,
}


def applicable(direction: str, shape: ConvolutionShape) -> list[str]:
    """Names of the kernels that take `shape`, oneDNN first.

    >>> applicable("forward", ConvolutionShape(1, 8, 4, 4, 8, (1, 1), dtype="fp64"))
    ['onednn', 'product']
    """
    return [name for name, candidate in CANDIDATES[direction].items() if candidate.applies(shape)]


def find(table: dict[str, Candidate[Run]], name: str, shape: ConvolutionShape) -> Run:
    """The kernel `name` of `table`, or oneDNN's where that one does not take `shape`. Raises UnknownNameError.

    A plan may come from a machine or a batch size for which more kernels were there.
    """
    if name not in table:
        raise UnknownNameError("convolution kernel", name, table)
    candidate = table[name]
    return candidate.run if candidate.applies(shape) else table["onednn"].run

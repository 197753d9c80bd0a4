"""What decides how fast a convolution runs: its sizes and its arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import torch
from torch import Tensor, nn

from convnets.errors import ConfigError, InputError

__all__ = ["DTYPES", "ConvolutionShape", "channels_last"]

DTYPES: Final = {"bf16": torch.bfloat16, "fp32": torch.float32, "fp64": torch.float64}
"""The names of the arithmetics; fp64 is there to check the others against."""

_NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class ConvolutionShape:
    """Sizes of a two-dimensional convolution with neither dilation nor groups, over N images.

    `needs_input_gradient` is False for the first layer of a network, whose input is data.

    >>> shape = ConvolutionShape(256, 1, 28, 28, 6, (5, 5), (1, 1), (2, 2))
    >>> shape.output_size, shape.macs
    ((28, 28), 30105600)
    >>> shape.key()
    'n256 c1 28x28 o6 k5x5 s1x1 p2x2 bias bf16 grad'
    """

    batch: int
    in_channels: int
    height: int
    width: int
    out_channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    bias: bool = True
    dtype: str = "bf16"
    needs_input_gradient: bool = True

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ConfigError(f"dtype is {self.dtype!r}; allowed: {', '.join(DTYPES)}")
        if min(self.stride) < 1 or min(self.padding) < 0 or min(self.output_size) < 1:
            raise InputError(
                f"no convolution has kernel {self.kernel}, stride {self.stride} and padding {self.padding} on "
                f"{self.height}×{self.width}; allowed: a stride from 1, and a kernel inside the padded image"
            )

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width of the output."""
        return (
            (self.height + 2 * self.padding[0] - self.kernel[0]) // self.stride[0] + 1,
            (self.width + 2 * self.padding[1] - self.kernel[1]) // self.stride[1] + 1,
        )

    @property
    def macs(self) -> int:
        """Multiply-accumulates of each direction for the whole batch; border zeros count as pixels."""
        height, width = self.output_size
        return self.batch * height * width * self.out_channels * self.taps

    @property
    def taps(self) -> int:
        """Numbers that one output value is summed from: KH·KW·C, the inner side of the matrix product."""
        return self.kernel[0] * self.kernel[1] * self.in_channels

    @property
    def torch_dtype(self) -> torch.dtype:
        """The type of the operands."""
        return DTYPES[self.dtype]

    def key(self) -> str:
        """A name for this shape that no other shape has."""
        parts = (
            f"n{self.batch} c{self.in_channels} {self.height}x{self.width} o{self.out_channels}",
            f"k{self.kernel[0]}x{self.kernel[1]} s{self.stride[0]}x{self.stride[1]}",
            f"p{self.padding[0]}x{self.padding[1]} {'bias' if self.bias else 'plain'} {self.dtype}",
            "grad" if self.needs_input_gradient else "first",
        )
        return " ".join(parts)

    @staticmethod
    def supports(module: nn.Module) -> bool:
        """Whether `module` is a convolution that these shapes describe."""
        return (
            type(module) is nn.Conv2d
            and module.groups == 1
            and module.dilation == (1, 1)
            and module.padding_mode == "zeros"
            and not isinstance(module.padding, str)
        )

    @classmethod
    def of_module(
        cls, module: nn.Conv2d, x: Tensor, dtype: torch.dtype, needs_input_gradient: bool
    ) -> ConvolutionShape:
        """The shape of `module` on an input like `x` (N×C×H×W; its values are not read, so meta will do).

        Raises ConfigError for a module that `supports` does not accept.

        >>> layer = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        >>> ConvolutionShape.of_module(layer, torch.empty(8, 3, 32, 32), torch.bfloat16, False).key()
        'n8 c3 32x32 o16 k3x3 s1x1 p1x1 plain bf16 first'
        """
        if not cls.supports(module):
            raise ConfigError(
                f"{module} has no convolution shape; allowed: nn.Conv2d with groups=1, dilation=1 and zero "
                "padding given as numbers"
            )
        stride, padding = module.stride, module.padding
        return cls.of_tensors(
            x,
            module.weight,
            (stride[0], stride[1]),
            (int(padding[0]), int(padding[1])),
            bias=module.bias is not None,
            dtype=dtype,
            needs_input_gradient=needs_input_gradient,
        )

    @classmethod
    def of_tensors(
        cls,
        x: Tensor,
        weight: Tensor,
        stride: tuple[int, int],
        padding: tuple[int, int],
        *,
        bias: bool,
        dtype: torch.dtype,
        needs_input_gradient: bool,
    ) -> ConvolutionShape:
        """The shape of a convolution of `x` (N×C×H×W) with `weight` (O×C×KH×KW). Raises InputError."""
        if x.ndim != 4 or weight.ndim != 4 or x.shape[1] != weight.shape[1]:
            raise InputError(
                f"a convolution got input {tuple(x.shape)} and weight {tuple(weight.shape)}; "
                "allowed: N×C×H×W and O×C×KH×KW with the same C"
            )
        if dtype not in _NAMES:
            raise InputError(f"a convolution got {dtype}; allowed: {', '.join(map(str, _NAMES))}")
        return _shape(x.shape, weight.shape, stride, padding, bias, dtype, needs_input_gradient)


@lru_cache(maxsize=4096)  # every step of a training run asks for the same ones
def _shape(
    images: torch.Size,
    weight: torch.Size,
    stride: tuple[int, int],
    padding: tuple[int, int],
    bias: bool,
    dtype: torch.dtype,
    needs_input_gradient: bool,
) -> ConvolutionShape:
    batch, channels, height, width = images
    sizes = (batch, channels, height, width, weight[0], (weight[2], weight[3]))
    return ConvolutionShape(*sizes, stride, padding, bias, _NAMES[dtype], needs_input_gradient)


def channels_last(x: Tensor) -> Tensor:
    """`x` (N×C×H×W) with channels innermost in memory; copied only where it is not so already.

    Its strides are always those of channels-last. PyTorch leaves the strides of an axis of size 1 as they are, and
    then takes a one-channel image for N×C×H×W in memory and answers in that layout.

    >>> channels_last(torch.zeros(2, 1, 3, 5)).stride()
    (15, 1, 5, 1)
    """
    x = x.contiguous(memory_format=torch.channels_last)
    _, channels, height, width = x.shape
    strides = (height * width * channels, 1, width * channels, channels)
    return x if x.stride() == strides else x.as_strided(x.shape, strides)

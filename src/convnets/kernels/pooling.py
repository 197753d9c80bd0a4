"""Pooling as data: what the native kernels are told of a pooling layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch.nn.functional as F
from torch import Tensor

from convnets.errors import ConfigError

__all__ = ["Pair", "Pooling"]

Pair: TypeAlias = int | tuple[int, int]


@dataclass(frozen=True)
class Pooling:
    """Maxima or averages of windows, with `ceil_mode` off, no dilation and, for averages, padding counted as zeros.

    >>> Pooling("max", kernel=3, stride=2, padding=1).output_size(96, 96)
    (48, 48)
    """

    kind: Literal["max", "average"]
    """Which of the two."""
    kernel: Pair
    """Height and width of a window in pixels."""
    stride: Pair | None = None
    """Pixels from one window to the next; the kernel by default."""
    padding: Pair = 0
    """Pixels added on each side, at most half of the kernel."""

    def __post_init__(self) -> None:
        if self.kind not in ("max", "average"):
            raise ConfigError(f"pooling {self.kind!r} is not known; allowed: 'max', 'average'")
        for kernel, stride, padding in zip(self.kernels, self.strides, self.paddings, strict=True):
            if kernel < 1 or stride < 1 or not 0 <= padding <= kernel // 2:
                raise ConfigError(
                    f"{self} cannot be; kernel and stride are at least 1, padding at most half of the kernel"
                )

    @property
    def kernels(self) -> tuple[int, int]:
        """Height and width of a window."""
        return _pair(self.kernel)

    @property
    def strides(self) -> tuple[int, int]:
        """Steps down and across."""
        return self.kernels if self.stride is None else _pair(self.stride)

    @property
    def paddings(self) -> tuple[int, int]:
        """Padding above and below, left and right."""
        return _pair(self.padding)

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the result; below 1 where the window is larger than the padded image."""
        steps = zip((height, width), self.kernels, self.strides, self.paddings, strict=True)
        down, across = (
            (size + 2 * padding - kernel) // stride + 1 for size, kernel, stride, padding in steps
        )
        return down, across

    def plain(self, x: Tensor) -> Tensor:
        """The same by PyTorch's own operations: N×C×H×W → N×C×H′×W′."""
        pool = F.max_pool2d if self.kind == "max" else F.avg_pool2d
        return pool(x, self.kernels, self.strides, self.paddings)


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value

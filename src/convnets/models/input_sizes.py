"""InputSizes: which sides of a square or rectangular image a network can take, in pixels."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from convnets.core.shapes import window_output_size
from convnets.errors import ConfigError

__all__ = ["InputSizes", "Window", "side_after", "smallest_side"]

Window = tuple[int, int, int]
"""Kernel, stride and padding of a convolution or pooling layer."""


def side_after(side: int, windows: Sequence[Window]) -> int:
    """Side of the feature map that a chain of windows leaves of an image; 0 when a window does not fit.

    >>> side_after(28, [(5, 1, 2), (2, 2, 0), (5, 1, 0), (2, 2, 0)])  # LeNet
    5
    """
    for kernel, stride, padding in windows:
        side = window_output_size(side, kernel, stride, padding)
        if side < 1:
            return 0
    return side


def smallest_side(windows: Sequence[Window], result: int = 1) -> int:
    """Smallest image side of which a chain of windows leaves at least `result`.

    >>> smallest_side([(5, 1, 2), (2, 2, 0), (5, 1, 0), (2, 2, 0)])
    12
    """
    for kernel, stride, padding in reversed(windows):
        result = max(1, (result - 1) * stride + kernel - 2 * padding)
    return result


@dataclass(frozen=True)
class InputSizes:
    """The sides that a network takes. H and W are each held to it.

    >>> InputSizes.for_head([(5, 1, 2), (2, 2, 0), (5, 1, 0), (2, 2, 0)], 28).largest
    31
    """

    smallest: int
    """Smallest side."""
    largest: int = sys.maxsize
    """Largest side; the same feature map must come out where a fully connected head fixes it."""
    built_for: int | None = None
    """The side that a fully connected head was built for; None where any size does."""
    smallest_head: int = 1
    """Smallest side that a fully connected head can be built for."""
    lone_image: float = 0
    """With both sides below this, batch norm would see a single value per channel of a single image."""
    axes: tuple[int, ...] = (2,)
    """Sides that an input may have: 2 of an image N×C×H×W, 1 of a series N×C×L, 0 of a vector N×C."""

    @classmethod
    def for_head(
        cls, windows: Sequence[Window], input_size: int, *, name: str = "the network", lone_image: float = 0
    ) -> InputSizes:
        """Sides that leave the same feature map as `input_size` does, so that the fully connected head fits.

        Raises ConfigError when `input_size` is too small for the windows.
        """
        minimum = smallest_side(windows)
        if input_size < minimum:
            raise ConfigError(f"input_size is {input_size}; {name} needs at least {minimum} pixels")
        side = side_after(input_size, windows)
        smallest, largest = smallest_side(windows, side), smallest_side(windows, side + 1) - 1
        return cls(smallest, largest, input_size, minimum, lone_image)

    @classmethod
    def for_vectors(cls, input_size: int, *, lone_image: float = 0) -> InputSizes:
        """Sides of a network without convolutions: `input_size` alone, and vectors N×C where it is 1.

        >>> InputSizes.for_vectors(1).axes
        (2, 0)
        """
        return replace(
            cls.for_head((), input_size, lone_image=lone_image), axes=(2, 0) if input_size == 1 else (2,)
        )

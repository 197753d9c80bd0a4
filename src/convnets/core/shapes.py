"""Shape arithmetic: what size comes out of a convolution or a pooling layer."""

from __future__ import annotations

__all__ = ["window_output_size"]


def window_output_size(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Positions of a sliding window along one axis: floor((size + 2·padding − dilation·(kernel − 1) − 1) / stride) + 1.

    The formula of Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning"; it holds for
    convolutions and for pooling without ceil mode. A result below 1 means that the window does not fit.

    >>> window_output_size(224, kernel=11, stride=4, padding=1)
    54
    """
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1

"""CausalConv1d: a convolution along time that never sees what comes after. N series, C channels, L steps."""

from __future__ import annotations

from torch import Tensor, nn

from convnets.errors import ConfigError

__all__ = ["CausalConv1d"]


class CausalConv1d(nn.Module):
    """A convolution whose answer at a step depends on that step and those before it alone: N×C×L → N×`out_channels`×L.

    Zeros stand before the first step. With `dilation` d its `kernel_size` k numbers are d steps apart, so that it looks
    (k − 1)·d steps back; doubled from layer to layer, few layers look far. van den Oord et al. 2016, "WaveNet",
    section 2.1.

    >>> import torch
    >>> CausalConv1d(2, 5, kernel_size=3, dilation=4)(torch.zeros(1, 2, 10)).shape
    torch.Size([1, 5, 10])
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, dilation: int = 1, *, bias: bool = True
    ) -> None:
        super().__init__()
        for name, value in (("kernel_size", kernel_size), ("dilation", dilation)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name} is {value!r}; allowed: a whole number, 1 or more")
        self.pad = nn.ConstantPad1d(((kernel_size - 1) * dilation, 0), 0.0)
        self.convolution = nn.Conv1d(in_channels, out_channels, kernel_size, dilation=dilation, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """The convolution of the steps so far."""
        return self.convolution(self.pad(x))  # type: ignore[no-any-return]

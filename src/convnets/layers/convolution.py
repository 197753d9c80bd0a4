"""Convolution, which is cross-correlation in all of deep learning: the kernel is not turned round.

N images, C channels in, K channels out, G groups, H×W pixels, k×k kernel, H'×W' positions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from convnets.errors import ConfigError, InputError
from convnets.layers.linear import linear
from convnets.layers.number_types import for_products
from convnets.layers.windows import Pair, as_pair, check_maps, shifted_maps

__all__ = ["Convolution", "cross_correlation", "pointwise_convolution"]


def cross_correlation(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Slide each of K kernels over the maps and sum: N×C×H×W, K×(C/G)×k×k → N×K×H'×W'.

    y[n, o, p, q] = b[o] + Σ_c Σ_i Σ_j x[n, c, p·s + i·d − m, q·s + j·d − m] · w[o, c, i, j], with stride s,
    dilation d, padding m (zeros) and c over the channels of o's group; H' as `core.shapes.window_output_size` has it.
    With G groups, each K/G outputs see C/G inputs; G = C is a depthwise convolution. LeCun et al. 1989,
    "Backpropagation applied to handwritten zip code recognition"; sizes: Dumoulin & Visin 2016, "A guide to
    convolution arithmetic for deep learning".

    Whole numbers are added up as int64, or as floats where one of both has floats. Raises InputError where channels,
    groups or sizes do not go together.

    >>> x = torch.arange(9.0).view(1, 1, 3, 3)
    >>> cross_correlation(x, torch.arange(4.0).view(1, 1, 2, 2))[0, 0]
    tensor([[19., 25.],
            [37., 43.]])
    """
    check_maps(x, "cross-correlation")
    out_channels, group_channels, kh, kw = weight.shape
    if x.shape[1] != group_channels * groups or out_channels % groups:
        raise InputError(
            f"cross-correlation got {x.shape[1]} channels; {out_channels} kernels of {group_channels} channels in "
            f"{groups} groups take {group_channels * groups}"
        )
    x, weight = for_products(x, weight)
    by_group = weight.reshape(groups, -1, group_channels, kh, kw)  # G×(K/G)×(C/G)×k×k
    y: Tensor | None = None
    for i, j, seen in shifted_maps(x, (kh, kw), stride, padding, dilation):  # N×C×H'×W'
        parts = seen.reshape(len(x), groups, group_channels, *seen.shape[2:])  # N×G×(C/G)×H'×W'
        part = torch.einsum("ngchw,gkc->ngkhw", parts, by_group[..., i, j])  # N×G×(K/G)×H'×W'
        y = part if y is None else y + part
    assert y is not None
    y = y.flatten(1, 2)  # N×K×H'×W'
    return y if bias is None else y + bias.view(-1, 1, 1)


def pointwise_convolution(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A 1×1 convolution is one linear layer that every pixel goes through: N×C×H×W, K×C×1×1 → N×K×H×W.

    Lin, Chen & Yan 2013, "Network in network".

    >>> x, weight = torch.rand(2, 3, 4, 4), torch.rand(5, 3, 1, 1)
    >>> torch.allclose(pointwise_convolution(x, weight), cross_correlation(x, weight))
    True
    """
    check_maps(x, "pointwise convolution")
    pixels = x.permute(0, 2, 3, 1)  # N×H×W×C
    return linear(pixels, weight.flatten(1), bias).permute(0, 3, 1, 2)  # N×K×H×W


class Convolution(nn.Module):
    """`cross_correlation` with weights of its own; arguments and state-dict keys as `nn.Conv2d` has them.

    Weights and biases start from U(−a, a), a = 1 / √fan_in, as PyTorch's do.

    >>> Convolution(1, 6, kernel_size=5, padding=2)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 6, 28, 28])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ConfigError(
                f"groups is {groups}; allowed: a divisor of {in_channels} channels in and {out_channels} out"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = as_pair(kernel_size), as_pair(stride)
        self.padding, self.dilation = as_pair(padding), as_pair(dilation)
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(out_channels).uniform_(-bound, bound)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """N×K×H'×W'."""
        return cross_correlation(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    def extra_repr(self) -> str:
        """The sizes, for `print(network)`."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding}, dilation={self.dilation}, groups={self.groups}, bias={self.bias is not None}"
        )

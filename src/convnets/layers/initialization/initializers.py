"""Initializers of one weight, in place. K outputs, C inputs, a kernel of k pixels: weight K×C (linear) or K×C×….

fan_in is the number of inputs that one output sums over (C·k for a convolution), fan_out the number of outputs that
one input feeds (K·k). A generator decides the numbers; None is PyTorch's own.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from convnets.errors import ConfigError, InputError

__all__ = [
    "constant_",
    "dirac_",
    "fans",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "orthogonal_",
    "xavier_normal_",
    "xavier_uniform_",
]

_RELU_GAIN = math.sqrt(2)  # half of the inputs of a ReLU are cut off: twice the variance makes up for it


def fans(weight: Tensor) -> tuple[int, int]:
    """fan_in and fan_out. Raises InputError for a weight of fewer than two axes.

    >>> fans(torch.empty(64, 32, 3, 3))
    (288, 576)
    """
    _check_axes(weight)
    kernel = math.prod(weight.shape[2:])
    return weight.shape[1] * kernel, weight.shape[0] * kernel


@torch.no_grad()
def normal_(
    weight: Tensor, std: float = 0.01, mean: float = 0.0, *, generator: Generator | None = None
) -> Tensor:
    """w ~ N(mean, std²); 0.01 as Krizhevsky et al. 2012 ("ImageNet classification …", section 5) had it."""
    return weight.normal_(mean, std, generator=generator)


@torch.no_grad()
def constant_(weight: Tensor, value: float = 1.0) -> Tensor:
    """w = value. All units of a layer then stay equal: Rumelhart et al. 1986, "Learning representations …": symmetry.

    >>> constant_(torch.empty(2), 0.5)
    tensor([0.5000, 0.5000])
    """
    return weight.fill_(value)


@torch.no_grad()
def xavier_uniform_(weight: Tensor, gain: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """w ~ U(−a, a), a = gain · √(6 / (fan_in + fan_out)): the middle way between keeping values and gradients.

    Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", equation 16.
    """
    bound = math.sqrt(3.0) * (gain * math.sqrt(2.0 / sum(fans(weight))))
    return weight.uniform_(-bound, bound, generator=generator)


@torch.no_grad()
def xavier_normal_(weight: Tensor, gain: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """w ~ N(0, gain² · 2 / (fan_in + fan_out)). Glorot & Bengio 2010, equation 12."""
    return weight.normal_(0.0, gain * math.sqrt(2.0 / sum(fans(weight))), generator=generator)


@torch.no_grad()
def kaiming_uniform_(
    weight: Tensor, gain: float = _RELU_GAIN, *, generator: Generator | None = None
) -> Tensor:
    """w ~ U(−a, a), a = gain · √(3 / fan_in); gain √2 for ReLU, 1 for a linear layer without.

    He, Zhang, Ren & Sun 2015, "Delving deep into rectifiers", equation 10.
    """
    bound = math.sqrt(3.0) * (gain / math.sqrt(fans(weight)[0]))
    return weight.uniform_(-bound, bound, generator=generator)


@torch.no_grad()
def kaiming_normal_(
    weight: Tensor, gain: float = _RELU_GAIN, *, generator: Generator | None = None
) -> Tensor:
    """w ~ N(0, gain² / fan_in); gain √2 for ReLU. He et al. 2015, equation 10."""
    return weight.normal_(0.0, gain / math.sqrt(fans(weight)[0]), generator=generator)


@torch.no_grad()
def orthogonal_(weight: Tensor, gain: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """W Wᵀ = gain² I with W as K×(C·k), or WᵀW where K is larger: Q of a Gaussian matrix's QR, with signs of R.

    Saxe, McClelland & Ganguli 2014, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks"; dividing by the signs of R makes Q uniform (Mezzadri 2007, "How to generate random matrices …").

    >>> w = orthogonal_(torch.empty(3, 5))
    >>> torch.allclose(w @ w.T, torch.eye(3), atol=1e-5)
    True
    """
    _check_axes(weight)
    if weight.is_meta:
        return weight
    rows = len(weight)
    flat = torch.empty(rows, weight.numel() // rows, dtype=weight.dtype, device=weight.device)
    flat.normal_(0.0, 1.0, generator=generator)
    tall = flat.T if flat.shape[0] < flat.shape[1] else flat
    q, r = torch.linalg.qr(tall)
    q = q * r.diagonal().sign()
    q = q.T if flat.shape[0] < flat.shape[1] else q
    return weight.copy_(gain * q.reshape(weight.shape))


@torch.no_grad()
def dirac_(weight: Tensor, groups: int = 1) -> Tensor:
    """w[i, i, center] = 1 and 0 elsewhere: channel i goes through as it is, a linear layer is the identity.

    With groups, each group on its own. Zagoruyko & Komodakis 2017, "DiracNets: training very deep neural networks
    without skip-connections". Raises ConfigError where the groups do not divide the outputs.

    >>> dirac_(torch.empty(1, 1, 3, 3))[0, 0]
    tensor([[0., 0., 0.],
            [0., 1., 0.],
            [0., 0., 0.]])
    """
    _check_axes(weight)
    if groups < 1 or len(weight) % groups:
        raise ConfigError(f"groups is {groups}; allowed: a divisor of {len(weight)} outputs")
    weight.zero_()
    center = tuple(side // 2 for side in weight.shape[2:])
    outputs = len(weight) // groups
    for start in range(0, len(weight), outputs):
        for i in range(min(outputs, weight.shape[1])):
            weight[(start + i, i, *center)] = 1.0
    return weight


def _check_axes(weight: Tensor) -> None:
    if weight.ndim < 2:
        raise InputError(f"weight has shape {tuple(weight.shape)}; allowed: two axes or more, K×C or K×C×…")

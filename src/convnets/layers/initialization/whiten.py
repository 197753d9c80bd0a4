"""Whitening filters: a first convolution computed from the images' own patches instead of learned."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.errors import ConfigError, InputError

__all__ = ["whitening_filters"]


def whitening_filters(
    images: Tensor, kernel_size: int, count: int | None = None, epsilon: float = 5e-4
) -> Tensor:
    """Filters whose answers to the patches of `images` are uncorrelated and equally strong.

    With the patches p of C·k·k pixels, their second moments Σ = mean of p pᵀ, and Σ = V Λ Vᵀ, filter i is
    vᵢ / √(λᵢ + ε); the mean of its squared answers is λᵢ / (λᵢ + ε). They come in the order of falling λᵢ, each with
    its largest weight above zero. Jordan 2024, arXiv 2404.00498, section 3.2, after Page's ResNet (2018).

    Args:
        images: float N×C×H×W, normalized as the network gets them.
        kernel_size: k, in pixels.
        count: how many of the C·k·k filters to keep; the last answer to noise more than to pictures. None: all.
        epsilon: what keeps a direction without variance from being blown up.

    Returns float32 `count`×C×k×k. Raises InputError when the images are smaller than a patch, and ConfigError for
    a count that is not there.

    >>> images = torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> answers = F.conv2d(images, whitening_filters(images, 2))
    >>> torch.allclose(answers.square().mean((0, 2, 3)), torch.ones(4), atol=1e-2)
    True
    """
    if images.ndim != 4 or len(images) == 0 or min(images.shape[-2:]) < kernel_size:
        raise InputError(
            f"images have shape {tuple(images.shape)}; allowed: N×C×H×W of at least {kernel_size}×{kernel_size} pixels"
        )
    channels = images.shape[1]
    size = channels * kernel_size**2
    if count is not None and not 1 <= count <= size:
        raise ConfigError(f"count of whitening filters is {count}; allowed: 1 to {size}")
    patches = F.unfold(images.detach().float().cpu(), kernel_size).transpose(1, 2).reshape(-1, size).double()
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))  # values rise
    rows = vectors.T.flip(0)  # the sign of an eigenvector is anyone's: the largest weight decides it
    largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
    filters: Tensor = rows * largest.sign() / (values.flip(0).clamp(min=0) + epsilon).sqrt()[:, None]
    return filters[:count].float().view(-1, channels, kernel_size, kernel_size)

"""Controls: maps that know nothing of the network, which a method has to beat."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["edge_maps", "random_maps"]


def edge_maps(images: Tensor) -> Tensor:
    """N×C×H×W → N×H×W: strength of edges, |∇| by Sobel's filters, of the mean over channels.

    >>> edge_maps(torch.ones(1, 3, 4, 4)).max()
    tensor(0.)
    """
    gray = F.pad(images.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    across = images.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    slopes = F.conv2d(gray, torch.stack([across, across.T])[:, None])
    return slopes.square().sum(1).sqrt()


def random_maps(images: Tensor, seed: int) -> Tensor:
    """N×H×W: a number from 0 to 1 for each pixel, drawn anew for each image.

    >>> random_maps(torch.zeros(2, 3, 4, 4), 0).shape
    torch.Size([2, 4, 4])
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.rand(len(images), *images.shape[2:], generator=generator, device="cpu")
    return drawn.to(images.device, images.dtype)

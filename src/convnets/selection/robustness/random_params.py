"""RandomParams: random numbers of each image, a function of seed, purpose and the image's index alone.

Made on the processor one image at a time, so that neither batch size nor device changes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convnets.core.seeds import generator_for

__all__ = ["RandomParams"]


@dataclass(frozen=True)
class RandomParams:
    """Where the random numbers of a batch come from.

    >>> RandomParams(0, (5, 7)).uniform("noise", 2)[1].equal(RandomParams(0, (7,)).uniform("noise", 2)[0])
    True
    """

    seed: int
    indices: tuple[int, ...]
    """Of the images in their set, N of them."""

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        """float32 N×`shape`, from 0 to below 1."""
        return torch.stack([torch.rand(shape, generator=each) for each in self._generators(purpose)])

    def normal(self, purpose: str, *shape: int) -> Tensor:
        """float32 N×`shape`, of mean 0 and spread 1."""
        return torch.stack([torch.randn(shape, generator=each) for each in self._generators(purpose)])

    def poisson(self, purpose: str, rates: Tensor) -> Tensor:
        """Counts with the rates of a tensor N×…, in its type."""
        pairs = zip(rates.cpu(), self._generators(purpose), strict=True)
        return torch.stack([torch.poisson(own, generator=each) for own, each in pairs])

    def _generators(self, purpose: str) -> Sequence[torch.Generator]:
        return [generator_for(self.seed, "corruption", purpose, index) for index in self.indices]

"""Parts that a record's recipe is tried with and without: first filters, how a step is made."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from convnets.data.batches import Batch
from convnets.models.compact.speednet import SpeedNet
from convnets.training.learner import Learner


def drawn_filters(network: SpeedNet) -> None:
    """The first filters that PyTorch draws, fixed as the computed ones are."""
    network.whitened.fill_(True)


def learned_filters(network: SpeedNet) -> None:
    """The first filters that PyTorch draws, trained with the others."""
    drawn_filters(network)
    network.whitening.weight.requires_grad_(True)


def identity_filters(network: SpeedNet) -> None:
    """Each convolution starts by handing its input on; filters beyond its channels as PyTorch draws them.

    Jordan 2024 (arXiv 2404.00498), section 3.2.
    """
    for convolution in network.modules():
        if isinstance(convolution, nn.Conv2d) and convolution is not network.whitening:
            nn.init.dirac_(convolution.weight[: convolution.in_channels])


class GrowingImages(Learner):
    """The first third of the run on images of 20 pixels a side, the second on 24, the last on whole ones."""

    SIDES = (20, 24, None)

    def step(self, batch: Batch, epoch: int, step: int, progress: float) -> None:
        """One update on the images of this part of the run."""
        side = self.SIDES[int(progress * len(self.SIDES))]
        if side is not None:
            images = F.interpolate(batch.images, (side, side), mode="bilinear", antialias=True)
            batch = replace(batch, images=images)
        super().step(batch, epoch, step, progress)


class Lookahead(Learner):
    """Every five steps towards slow weights, and on from there (Zhang et al. 2019, with the rates of Jordan 2024).

    The slow weights follow the more slowly the further the run is: they keep 0.95⁵ × progress³ of themselves.
    """

    STEPS, KEPT = 5, 0.95**5

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._slow = copy.deepcopy(self.network)

    @property
    def network_to_keep(self) -> nn.Module:
        """The slow weights."""
        return self._slow

    @torch.no_grad()
    def step(self, batch: Batch, epoch: int, step: int, progress: float) -> None:
        """One update, and after each fifth the slow weights."""
        with torch.enable_grad():
            super().step(batch, epoch, step, progress)
        if self.steps % self.STEPS:
            return
        fast = self.network.state_dict()
        for name, slow in self._slow.state_dict().items():
            if slow.is_floating_point():
                slow.lerp_(fast[name], 1 - self.KEPT * progress**3)
            else:
                slow.copy_(fast[name])
            fast[name].copy_(slow)

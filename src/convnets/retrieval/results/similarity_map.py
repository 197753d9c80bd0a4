"""Similarity map: which patches of a found picture look like something in the query.

C channels of a feature map, H height, W width, Q positions of the query's map.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib import colormaps
from PIL import Image
from torch import Tensor

from convnets.errors import InputError
from convnets.evaluation.scores import evaluation_mode
from convnets.models.stage import stage_of
from convnets.retrieval.descriptors.embedder import Embedder

__all__ = ["SimilarityMapper"]

_OPACITY = 0.55  # of the colors over the picture


class SimilarityMapper:
    """Compares feature maps position by position, with the network of an embedder.

    The maps are those of the embedder's own stage where it has maps, else of the network's last ones (`features`).
    """

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        stage = embedder.descriptor.stage
        self._stage = stage_of(
            embedder.network, "features" if stage in ("pixels", "embed", "logits") else stage
        )

    def __call__(self, query: Image.Image, found: Image.Image) -> Tensor:
        """float32 H×W, −1 to 1: the cosine of each position of `found` with the position of `query` most like it.

        Both pictures are upright, gray or RGB, of any size. Raises InputError for a network without feature maps.
        """
        positions = self._maps(query).flatten(1)  # C×Q
        maps = self._maps(found)  # C×H×W
        cosines = positions.T @ maps.flatten(1)  # Q×(H·W)
        return cosines.amax(0).view(maps.shape[1:])

    def _maps(self, picture: Image.Image) -> Tensor:
        """float32 C×H×W, each position of length 1."""
        embedder = self.embedder
        stored = embedder.preprocess.store(picture)[None].to(embedder.hardware.device)
        with evaluation_mode(embedder.network):
            maps = self._stage(embedder.preprocess(stored))
        if maps.ndim != 4 or maps.shape[2:].numel() == 1:
            raise InputError(
                f"the stage gives {tuple(maps.shape[1:])} for each picture; a similarity map needs feature maps C×H×W "
                "of several positions: choose a convolutional network"
            )
        return F.normalize(maps.float().cpu(), dim=1)[0].clone()

    def draw(self, found: Image.Image, similarities: Tensor, span: tuple[float, float]) -> Tensor:
        """The found picture as the network saw it, with colors from dark (low) to yellow (high): uint8 3×S×S.

        span: the similarities of the darkest and of the brightest color.
        """
        preprocess = self.embedder.preprocess
        gray = preprocess.fit(preprocess.to_unit(preprocess.store(found)[None])).mean(1)[0].numpy()
        low, high = span
        scaled = ((similarities - low) / max(high - low, 1e-6)).clamp(0, 1)
        size = (preprocess.size, preprocess.size)
        large = F.interpolate(scaled[None, None], size=size, mode="bilinear", align_corners=False)[
            0, 0
        ].numpy()
        colors = np.asarray(colormaps["viridis"](large))[..., :3]
        mixed = (1 - _OPACITY) * gray[..., None] + _OPACITY * colors
        return (
            torch.from_numpy((mixed * 255).round().clip(0, 255).astype(np.uint8))
            .permute(2, 0, 1)
            .contiguous()
        )

"""Occluding: the methods that hide parts of the picture and watch the score; they need no gradients.

x image, F score, N images, C channels, H height, W width.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.errors import ConfigError
from convnets.explanation.attribution.question import Answer, Question, scores_of_variants
from convnets.explanation.capture.capture import images_in_part
from convnets.explanation.capture.watch import watch

__all__ = ["occlusion", "rise", "score_cam"]


def occlusion(
    question: Question, *, window: int | None = None, stride: int | None = None, baseline: float = 0.0
) -> Answer:
    """F(x) − F(x with a square hidden): the mean over all squares that cover a pixel, N×1×H×W.

    Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks", arXiv:1311.2901. The square has
    `window` pixels a side (a sixth of the image's longer one) and moves by `stride` (half a window); it hides all
    channels with `baseline`, 0 being the mean color where x is normalized.
    Raises ConfigError for a window or stride below 1, or a stride above the window, which would leave pixels out.
    """
    height, width = question.images.shape[2:]
    window = math.ceil(max(height, width) / 6) if window is None else window
    stride = math.ceil(window / 2) if stride is None else stride
    if not 1 <= stride <= window:
        raise ConfigError(f"window is {window}, stride {stride}; allowed: 1 ≤ stride ≤ window")
    hidden = _squares(height, width, window, stride).to(question.images.device)  # R×H×W

    def variant(image: Tensor, repeat: Tensor) -> Tensor:
        return question.images[image].masked_fill(hidden[repeat][:, None], baseline)

    nothing = torch.zeros(1, height, width, dtype=torch.bool, device=hidden.device)
    hidden = torch.cat([nothing, hidden])
    scores = scores_of_variants(question, variant, len(hidden))
    cover = hidden[1:].to(scores.dtype)
    drops = scores[:, :1] - scores[:, 1:]
    return Answer({"": (torch.einsum("nr,rhw->nhw", drops, cover) / cover.sum(0))[:, None]})


def rise(question: Question, *, masks: int = 1000, cells: int = 7, share: float = 0.5) -> Answer:
    """Σ_m p(x ⊙ M_m) · M_m / (share · masks): random masks, weighed by the probability that is left, N×1×H×W.

    Petsiuk, Das & Saenko 2018, "RISE", arXiv:1806.07421: grids of `cells`×`cells` of which a `share` lets light
    through, enlarged bilinearly and shifted at random; 4,000 to 8,000 masks in the paper, for 224 pixels.
    Probabilities, not logits, as there; with a contrast their difference. All images see the same masks.
    Raises ConfigError for fewer than one mask or cell, or a share outside 0 to 1.
    """
    if masks < 1 or cells < 1 or not 0 < share < 1:
        raise ConfigError(
            f"masks {masks}, cells {cells}, share {share}; allowed: from 1, from 1, between 0 and 1"
        )
    images = question.images
    drawn = _random_masks(masks, cells, share, images.shape[2], images.shape[3], question.seed).to(
        images.device, images.dtype
    )

    def variant(image: Tensor, repeat: Tensor) -> Tensor:
        return images[image] * drawn[repeat][:, None]

    scores = scores_of_variants(question, variant, masks, probabilities=True)
    return Answer({"": (torch.einsum("nr,rhw->nhw", scores, drawn) / (share * masks))[:, None]})


def score_cam(question: Question) -> Answer:
    """Σ_k α_k A_k with α = softmax over k of F(x ⊙ s(A_k)), N×1×h×w: maps weighed by the score of what they light up.

    s(A) is A, enlarged bilinearly to the image and scaled to [0, 1]; a map that is the same everywhere lights up
    nothing. Wang et al. 2020, "Score-CAM", arXiv:1910.01279, algorithm 1. One pass for each channel of the layer.
    """
    images, layers = question.images, question.layers
    found: dict[str, list[Tensor]] = {call.name: [] for call in layers}
    size = images_in_part(question.calls, question.memory, gradients=False, layers=layers)
    for start in range(0, len(images), size):
        part = question.at(torch.arange(start, min(start + size, len(images)), device=images.device))
        with watch(question.network, layers) as watching:
            maps = watching.run(part.images).maps
        for name, parts in found.items():
            parts.append(_weighed_by_score(part, maps[name]))
    empty = {call.name: images.new_empty(0, 1, *(call.shape or ())[2:]) for call in layers}
    return Answer({name: torch.cat(parts) if parts else empty[name] for name, parts in found.items()})


def _weighed_by_score(question: Question, maps: Tensor) -> Tensor:
    size = question.images.shape[2:]

    def lit(image: Tensor, channel: Tensor) -> Tensor:
        chosen = F.interpolate(maps[image, channel][:, None], size=size, mode="bilinear", align_corners=False)
        low, high = chosen.amin((2, 3), keepdim=True), chosen.amax((2, 3), keepdim=True)
        lights = torch.where(high > low, (chosen - low) / torch.where(high > low, high - low, 1.0), 0.0)
        return question.images[image] * lights

    weights = scores_of_variants(question, lit, maps.shape[1]).softmax(1)
    return torch.einsum("nc,nchw->nhw", weights, maps)[:, None]


def _squares(height: int, width: int, window: int, stride: int) -> Tensor:
    """bool R×H×W: the squares that are hidden; those at the right and lower border may be cut off."""

    def starts(side: int) -> range:
        return range(0, stride * math.ceil(max(0, side - window) / stride) + 1, stride)

    found = torch.zeros(len(starts(height)) * len(starts(width)), height, width, dtype=torch.bool)
    places = [(top, left) for top in starts(height) for left in starts(width)]
    for square, (top, left) in zip(found, places, strict=True):
        square[top : top + window, left : left + window] = True
    return found


def _random_masks(count: int, cells: int, share: float, height: int, width: int, seed: int) -> Tensor:
    """float R×H×W in [0, 1], as RISE draws them."""
    generator = torch.Generator().manual_seed(seed)
    tall, wide = math.ceil(height / cells), math.ceil(width / cells)
    grids = (torch.rand(count, 1, cells, cells, generator=generator, device="cpu") < share).float()
    size = ((cells + 1) * tall, (cells + 1) * wide)
    large = F.interpolate(grids, size=size, mode="bilinear", align_corners=False)[:, 0]
    tops = torch.randint(0, tall, (count,), generator=generator, device="cpu").tolist()
    lefts = torch.randint(0, wide, (count,), generator=generator, device="cpu").tolist()
    cut = [
        each[top : top + height, left : left + width]
        for each, top, left in zip(large, tops, lefts, strict=True)
    ]
    return torch.stack(cut)

"""Question: which class of which images is to be explained, in which network, at which layers.

N images, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from convnets.explanation.capture.calls import Calls, LayerCall
from convnets.explanation.capture.capture import MEMORY, images_in_part
from convnets.explanation.capture.watch import watch

__all__ = ["Answer", "Question", "each_pair", "mean_gradients", "scores_of_variants"]

Variant = Callable[[Tensor, Tensor], Tensor]
"""Places of n images and of n repeats → n images, such as noisy ones."""


@dataclass(frozen=True, eq=False)
class Question:
    """What a method is asked."""

    network: nn.Module
    images: Tensor
    """N×C×H×W, normalized, on the network's device and in its type."""
    targets: Tensor
    """int64 N: the class of each image that is asked about."""
    contrast: Tensor | None
    """int64 N: the class that the target is set against, or None."""
    calls: Calls
    """What the first image went through."""
    layers: tuple[LayerCall, ...] = ()
    """Where a method of feature maps looks."""
    memory: int = MEMORY
    """Bytes that one pass may take."""
    seed: int = 0
    """Of what is drawn at random: noise and masks. The draws are the same for every image."""

    def scores(self, logits: Tensor, places: Tensor | slice = slice(None)) -> Tensor:
        """n×K of the images at `places` → n: the target's logit, less the contrast's where there is one."""
        score = logits.gather(1, self.targets[places, None])[:, 0]
        if self.contrast is None:
            return score
        return score - logits.gather(1, self.contrast[places, None])[:, 0]

    def at(self, places: Tensor) -> Question:
        """The same question for some of the images."""
        contrast = None if self.contrast is None else self.contrast[places]
        return replace(self, images=self.images[places], targets=self.targets[places], contrast=contrast)

    def part(self, *, gradients: bool, layers: tuple[LayerCall, ...] = ()) -> int:
        """How many images go through at once."""
        return images_in_part(self.calls, self.memory, gradients=gradients, layers=layers)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a method answers."""

    maps: dict[str, Tensor]
    """By layer, or one under the empty name: N×C×H×W for the pixels, or N×1×h×w; signed, not normalized."""
    residual: Tensor | None = None
    """N: sum of the map less what it should add up to, for methods that promise a sum."""
    total: Tensor | None = None
    """N: what it should add up to."""


def each_pair(images: int, repeats: int, size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Every image with every repeat, `size` pairs at a time: places of images, places of repeats.

    >>> [i.tolist() + r.tolist() for i, r in each_pair(2, 2, 3, torch.device("cpu"))]
    [[0, 0, 1, 0, 1, 0], [1, 1]]
    """
    for start in range(0, images * repeats, size):
        pair = torch.arange(start, min(start + size, images * repeats), device=device)
        yield pair // repeats, pair % repeats


def mean_gradients(question: Question, variant: Variant, weights: Tensor) -> Tensor:
    """Σ over repeats r of weights[r] · the gradient of the score at variant r of each image: N×C×H×W."""
    total = torch.zeros_like(question.images)
    size = question.part(gradients=True)
    with watch(question.network) as watching:
        for image, repeat in each_pair(len(total), len(weights), size, total.device):
            found = watching.run(variant(image, repeat), gradients=True)
            with torch.enable_grad():
                gradient = found.image_gradient(question.scores(found.logits, image))
            total.index_add_(0, image, gradient * weights[repeat].view(-1, 1, 1, 1))
    return total


def scores_of_variants(
    question: Question, variant: Variant, repeats: int, *, probabilities: bool = False
) -> Tensor:
    """N×R: the score of each variant of each image, of logits or of probabilities."""
    found = question.images.new_empty(len(question.images), repeats)
    size = question.part(gradients=False)
    with watch(question.network) as watching:
        for image, repeat in each_pair(len(found), repeats, size, found.device):
            logits = watching.run(variant(image, repeat)).logits
            found[image, repeat] = question.scores(logits.softmax(1) if probabilities else logits, image)
    return found

"""The pictures of the mistakes that an evaluation found."""

from __future__ import annotations

from torch import Tensor

from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import InputError
from convnets.evaluation.evaluation import Evaluation

__all__ = ["mistake_pictures"]


def mistake_pictures(
    evaluation: Evaluation, images: ImageSet, preprocess: Preprocess, count: int = 24
) -> list[Tensor]:
    """uint8 C×H×W of `evaluation.mistakes(count)`, in that order; files are decoded as the network saw them.

    Raises InputError when `images` are not those that were evaluated.
    """
    if len(images) != evaluation.images:
        raise InputError(
            f"{images.source} has {len(images)} images, {evaluation.images} were evaluated; give those images"
        )
    return [_pixels(images, preprocess, mistake.index) for mistake in evaluation.mistakes(count)]


def _pixels(images: ImageSet, preprocess: Preprocess, index: int) -> Tensor:
    if isinstance(images.images, Tensor):
        return images.images[index]
    return preprocess.store(images.images.open(index))

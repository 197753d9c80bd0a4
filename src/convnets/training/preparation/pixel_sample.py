"""Pixels of a training set to measure by, also where the set is too large to be in memory."""

from __future__ import annotations

from torch import Tensor

from convnets.data.decode import decode_images
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess, channel_statistics
from convnets.training.config import TrainConfig

__all__ = ["pixel_statistics", "sample_pixels"]

_STATISTICS_SAMPLE = 10_000  # pictures that mean and std are measured on when the set is streamed


def pixel_statistics(
    train: ImageSet, preprocess: Preprocess, config: TrainConfig
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and spread of each channel of the training pixels, in [0, 1]; of a sample where they are not in memory."""
    pixels = train.pixels if train.resident else sample_pixels(train, preprocess, config, _STATISTICS_SAMPLE)
    return channel_statistics(pixels, preprocess.channels)


def sample_pixels(train: ImageSet, preprocess: Preprocess, config: TrainConfig, size: int) -> Tensor:
    """uint8 pixels of about `size` images at equal distances: a set may be sorted by class."""
    step = max(1, len(train) // size)
    sample = train.subset(range(0, len(train), step))
    if not sample.resident:
        sample = decode_images(sample, preprocess, skip_corrupt=config.skip_corrupt)
    return sample.pixels

"""Parts of a data set for experiments: training images to take subsets of, and the same validation images for all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from convnets.core.progress import Progress
from convnets.core.seeds import derive_seed, generator_for
from convnets.data.image_set import ImageSet, Splits
from convnets.data.sources import load_data
from convnets.data.splits import split_off
from convnets.errors import ConfigError
from convnets.training.config import TrainConfig

__all__ = ["Parts", "open_parts"]


@dataclass(frozen=True)
class Parts:
    """Test images are not there."""

    train: ImageSet
    validation: ImageSet
    name: str
    """Of the data, for folders."""

    def some(self, images: int | None, seed: int) -> ImageSet:
        """A stratified subset of the training images; all of them for None or as many as there are."""
        if images is None or images >= len(self.train):
            return self.train
        _, part = split_off(self.train, images, seed=derive_seed(seed, "subset", images))
        return part

    def disjoint(self, sets: int, images: int | None, seed: int) -> list[ImageSet]:
        """`sets` random subsets without a common image, of `images` each or as many as there can be."""
        most = len(self.train) // sets
        size = most if images is None else images
        if not 2 <= size <= most:
            raise ConfigError(
                f"images is {size} in each of {sets} sets; allowed: 2 to {most:,}, for {len(self.train):,} images"
            )
        order = torch.randperm(len(self.train), generator=generator_for(seed, "disjoint sets"))
        return [self.train.subset(order[at * size : (at + 1) * size].sort().values) for at in range(sets)]


def open_parts(
    data: Splits | ImageSet | str | Path, config: TrainConfig, progress: Progress | None = None
) -> Parts:
    """Load the data; validation images are split off by the seed where the data have none. Raises ConfigError."""
    if config.validation == 0:
        raise ConfigError("this is measured on validation images; allowed: validation above 0")
    splits = load_data(data, progress=progress) if isinstance(data, str | Path) else data
    splits = Splits(splits) if isinstance(splits, ImageSet) else splits
    train, validation = splits.train, splits.validation
    if validation is None:
        seed = derive_seed(config.seed, "validation")
        train, validation = split_off(splits.train, config.validation, seed=seed)
    return Parts(train, validation, Path(splits.source).stem)

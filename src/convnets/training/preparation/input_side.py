"""The side of a network's input, and of what is kept in memory of larger pictures. All sides are in pixels."""

from __future__ import annotations

from torch import nn

from convnets.data.image_set import ImageSet
from convnets.errors import ConfigError
from convnets.models.catalogue import ModelEntry
from convnets.training.config import TrainConfig

__all__ = ["input_side", "stored_side"]

_CROP_MARGIN = 8 / 7  # short side : crop, 256 : 224 as He et al. 2016 test


def input_side(
    network: nn.Module | None, entry: ModelEntry | None, config: TrainConfig, uniform: tuple[int, int] | None
) -> int:
    """The side that was asked for or that the network fixes; the images' own where it is near; else the network's."""
    if entry is not None and entry.axes != 2:
        raise ConfigError(
            f"{entry.name} takes series N×C×L and these are images; choose a network for images, such as lenet"
        )
    fixed = getattr(network, "input_size", None)
    if fixed is not None:
        if config.size not in (None, fixed):
            raise ConfigError(
                f"size is {config.size} but the network was built for {fixed}; build it with input_size"
            )
        return int(fixed)
    if config.size is not None:
        if entry is not None and config.size < entry.min_size:
            raise ConfigError(f"size is {config.size}; {entry.name} needs at least {entry.min_size}")
        return config.size
    native = uniform[0] if uniform is not None and uniform[0] == uniform[1] else None
    if entry is None:
        if native is None:
            raise ConfigError("the images differ in size; say which side the network takes with size=…")
        return native
    near = (
        native is not None
        and native >= entry.min_size
        and abs(native - entry.input_size) <= entry.input_size / 4
    )
    return native if near and native is not None else entry.input_size


def stored_side(images: ImageSet, size: int, uniform: tuple[int, int] | None) -> int:
    """Short side that pictures from files are kept at: a margin around the crop, where they are larger than it."""
    if images.resident or (
        uniform is not None and uniform[0] == uniform[1] and uniform[0] < size * _CROP_MARGIN
    ):
        return size
    return round(size * _CROP_MARGIN)

"""Augmentations of series: jitter, scale, time warp and crop. N series, C channels, L steps.

Um et al. 2017, "Data augmentation of wearable sensor data", and Le Guennec et al. 2016, "Data augmentation for time
series classification".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from convnets.errors import ConfigError, UnknownNameError

__all__ = ["SERIES_AUGMENTATIONS", "SeriesAugmentation", "augment_series", "series_augmentations"]

SeriesAugmentation = Callable[[Tensor, torch.Generator], Tensor]
"""float N×C×L → the same shape; what is random comes from the generator."""
_KNOTS = 4


def jitter(series: Tensor, generator: torch.Generator, spread: float = 0.05) -> Tensor:
    """Normal noise of `spread` added to every value; standardized series have a spread of 1."""
    return series + spread * _normal(series.shape, series, generator)


def scale(series: Tensor, generator: torch.Generator, spread: float = 0.1) -> Tensor:
    """Each channel of each series times a normal number around 1."""
    return series * (1 + spread * _normal((*series.shape[:2], 1), series, generator))


def warp(series: Tensor, generator: torch.Generator, strength: float = 0.2) -> Tensor:
    """Time runs faster and slower along each series: its speed is a broken line through 5 random points.

    Speeds are exp(strength × normal); the first and the last step stay where they are.
    """
    count, _, length = series.shape
    speeds = torch.exp(strength * _normal((count, 1, _KNOTS + 1), series, generator))
    along = torch.nn.functional.interpolate(speeds, length, mode="linear", align_corners=True)[:, 0]
    steps = along[:, 1:].cumsum(1)
    places = torch.cat([steps.new_zeros(count, 1), steps / steps[:, -1:]], 1) * (length - 1)
    return _at(series, places)


def crop(series: Tensor, generator: torch.Generator, share: float = 0.9) -> Tensor:
    """A random part of `share` of the steps, stretched to the whole length."""
    count, _, length = series.shape
    kept = max(1.0, share * length)
    start = torch.rand(count, 1, generator=generator).to(series) * (length - kept)
    places = start + torch.linspace(0, kept - 1, length).to(series)
    return _at(series, places)


SERIES_AUGMENTATIONS: dict[str, tuple[Callable[..., Tensor], float]] = {
    "jitter": (jitter, 0.05),
    "scale": (scale, 0.1),
    "warp": (warp, 0.2),
    "crop": (crop, 0.9),
}
"""By name: the function, and its number where none is given."""


def series_augmentations(words: Sequence[str]) -> tuple[SeriesAugmentation, ...]:
    """The augmentations of an option's words: a name, or a name and its number as in `crop:0.8`.

    Raises UnknownNameError and ConfigError.

    >>> x = torch.arange(8.0)[None, None]
    >>> series_augmentations(["crop:0.5"])[0](x, torch.Generator().manual_seed(0)).shape
    torch.Size([1, 1, 8])
    """
    return tuple(_parsed(word) for word in words)


def _parsed(word: str) -> SeriesAugmentation:
    name, mark, text = word.partition(":")
    if name not in SERIES_AUGMENTATIONS:
        raise UnknownNameError(
            "augmentation of series",
            name,
            SERIES_AUGMENTATIONS,
            remedy="numbers follow a colon, as in crop:0.8",
        )
    function, number = SERIES_AUGMENTATIONS[name]
    if mark:
        try:
            number = float(text)
        except ValueError:
            raise ConfigError(
                f"augmentation {word!r} has no number after the colon; allowed: such as crop:0.8"
            ) from None
    highest = 1.0 if name == "crop" else 10.0
    if not 0 < number <= highest:
        raise ConfigError(f"augmentation {name} is {number:g}; allowed: above 0 and at most {highest:g}")
    chosen = number
    return lambda series, generator: function(series, generator, chosen)


def augment_series(
    series: Tensor, augment: Sequence[SeriesAugmentation], generator: torch.Generator
) -> Tensor:
    """All of `augment`, one after the other; `series` itself without any."""
    for augmentation in augment:
        series = augmentation(series, generator)
    return series


def _normal(shape: Sequence[int], like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(tuple(shape), generator=generator).to(like)


def _at(series: Tensor, places: Tensor) -> Tensor:
    """Values between steps, by straight lines: `places` float N×L → N×C×L."""
    last = series.shape[2] - 1
    low = places.floor().clamp(0, max(0, last - 1)).long()
    share = (places - low).clamp(0, 1)[:, None]
    index = low[:, None].expand(-1, series.shape[1], -1)
    return torch.lerp(series.gather(2, index), series.gather(2, (index + 1).clamp(max=last)), share)

"""What a trial's choice means: the options of its run, and the arguments of its network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convnets.data.augmentation.augment import AUGMENTATIONS
from convnets.training.options.checks import as_tuple

__all__ = ["STRENGTH", "Chosen", "resolve", "strengthened"]

STRENGTH = "augment_strength"
"""A factor on the numbers of all augmentations; the one name of a space that is no option or argument itself."""
_HIGHEST = {"hue": 0.5, "erasing": 1.0, "jitter": 1.0, "brightness": 1.0, "contrast": 1.0, "saturation": 1.0}
_SMALLEST_SHARE = 0.02  # of the area, that a crop may be scaled up from


@dataclass(frozen=True)
class Chosen:
    """Of one trial."""

    options: dict[str, Any]
    arguments: dict[str, Any]


def resolve(chosen: Mapping[str, Any], settings: Mapping[str, Any]) -> Chosen:
    """`chosen` over the options and arguments that the search was begun with."""
    names, base = settings["argument_names"], settings["options"]
    options = {key: value for key, value in chosen.items() if key not in (*names, STRENGTH)}
    if STRENGTH in chosen:
        words = as_tuple("augment", options.get("augment", base.get("augment", ())))
        options["augment"] = list(strengthened(words, float(chosen[STRENGTH])))
    arguments = {key: chosen[key] for key in names if key in chosen}
    return Chosen({**base, **options}, {**settings.get("arguments", {}), **arguments})


def strengthened(words: Sequence[str], strength: float) -> tuple[str, ...]:
    """Augmentations with their numbers times `strength`; mirroring, and a crop without a number, stay as they are.

    >>> strengthened(("flip", "crop:2", "rotate"), 2)
    ('flip', 'crop:4', 'rotate:30')
    """
    return tuple(_strengthened(word, strength) for word in words)


def _strengthened(word: str, strength: float) -> str:
    name, colon, text = (part.strip() for part in word.partition(":"))
    number = float(text) if colon else AUGMENTATIONS[name].default if name in AUGMENTATIONS else None
    if number is None or name in ("flip", "vflip"):
        return word
    if name == "crop":
        return f"crop:{round(number * strength)}"
    if name == "resized-crop":  # the smaller the share, the stronger
        return f"{name}:{max(_SMALLEST_SHARE, 1 - (1 - number) * strength):.4g}"
    return f"{name}:{min(number * strength, _HIGHEST.get(name, 180.0)):.4g}"

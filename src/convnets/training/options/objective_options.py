"""Which options go with which objective."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from convnets.errors import ConfigError

__all__ = ["check_objective"]

# what only a loss on vectors listens to, and what none of them can do
_OF_VECTORS = ("margin", "distance", "miner", "images_per_class", "classification_weight", "pooling")
_OF_CLASSES = (
    *("mixup", "cutmix", "auxiliary_weight", "accumulate", "freeze_epochs", "backbone_rate"),
    *("class_weights", "balanced_sampling", "logit_adjustment"),
)


def check_objective(config: Any) -> None:
    """Options that would be passed over in silence are refused."""
    vectors = config.objective != "classification"
    defaults = {field.name: field.default for field in fields(config)}
    for name in _OF_CLASSES if vectors else _OF_VECTORS:
        if getattr(config, name) != defaults[name]:
            allowed = "none beside a loss on vectors" if vectors else "with objective triplet and its like"
            raise ConfigError(
                f"{name} is {getattr(config, name)} and objective {config.objective}; allowed: {allowed}"
            )

"""best/…: a network of the notes at its best for the same ten epochs; options chosen on validation images."""

from __future__ import annotations

from convnets.recipes.recipe import Recipe
from convnets.training.config import TrainConfig

__all__ = ["best_lenet_bn"]


def best_lenet_bn() -> Recipe:
    """LeNet with batch normalisation in ten epochs: one-cycle AdamW in place of a constant rate."""
    config = TrainConfig(epochs=10, batch_size=128, initialiser="xavier-uniform")
    return Recipe(
        "best/lenet_bn",
        "LeNet with batch norm at its best in 10 epochs",
        "lenet_bn",
        "fashion-mnist",
        config,
        0.90,
        "to be measured",
    )

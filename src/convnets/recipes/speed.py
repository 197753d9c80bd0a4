"""speed/…: the least time on a processor to a test accuracy on Fashion-MNIST; options chosen on validation images.

Jordan's recipe (arXiv 2404.00498) cut down to what pays in so few epochs: whitening filters that are computed,
orthogonal steps, label smoothing, a rate that falls in a straight line, the same moved and mirrored views in training
and at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

from convnets.recipes.recipe import Recipe
from convnets.training.config import TrainConfig

__all__ = ["SPEED", "Goal", "speed_recipe"]


@dataclass(frozen=True)
class Goal:
    """How one accuracy is reached in the least time."""

    widths: tuple[int, ...]
    epochs: int
    augment: tuple[str, ...]
    views: int
    """Views that it is judged with."""
    single_view: float
    """Test accuracy with one view: our mean of 10 seeds, as the next."""
    accuracy: float
    """Test accuracy with `views`."""


SPEED = {
    "fashion-mnist-915": Goal((32, 64, 128), 2, ("flip",), 2, 0.916, 0.919),
    "fashion-mnist-94": Goal((32, 64, 128, 256), 8, ("flip", "crop:1"), 6, 0.938, 0.940),
}


def speed_recipe(name: str) -> Recipe:
    """The quickest run to one of the goals of `SPEED`.

    >>> speed_recipe("fashion-mnist-94").config.optimizer
    'muon'
    """
    goal = SPEED[name]
    config = TrainConfig(
        epochs=goal.epochs,
        batch_size=512,
        optimizer="muon",
        learning_rate=0.15,
        momentum=0.6,
        bias_rate=64.0,
        schedule="linear",
        label_smoothing=0.2,
        augment=goal.augment,
        validation=0.0,
    )
    return Recipe(
        f"speed/{name}",
        f"SpeedNet {'/'.join(map(str, goal.widths))}, Muon, {goal.epochs} epochs; "
        f"evaluate with --views {goal.views}",
        "speednet",
        "fashion-mnist",
        config,
        goal.single_view,
        f"our mean of 10 seeds; with {goal.views} views {goal.accuracy:.3f}",
        {"widths": list(goal.widths)},
    )

"""speed/…: the least time on a processor to a test accuracy on Fashion-MNIST; options chosen on validation images.

Jordan's recipe (arXiv 2404.00498) cut down to what pays in so few epochs: whitening filters that are computed,
orthogonal steps, label smoothing, a rate that falls in a straight line, mirror images in training and at the end.
"""

from __future__ import annotations

from convnets.recipes.recipe import Recipe
from convnets.training.config import TrainConfig

__all__ = ["SPEED", "speed_recipe"]

# goal: widths, epochs, test accuracy of single views, and with the mirror image; our means of 10 seeds
SPEED: dict[str, tuple[tuple[int, int, int], int, float, float]] = {
    "fashion-mnist-915": ((32, 64, 128), 2, 0.916, 0.919),
    "fashion-mnist-94": ((96, 192, 384), 6, 0.936, 0.938),
}


def speed_recipe(goal: str) -> Recipe:
    """The quickest run to one of the goals of `SPEED`.

    >>> speed_recipe("fashion-mnist-94").config.optimiser
    'muon'
    """
    widths, epochs, accuracy, with_mirror_image = SPEED[goal]
    config = TrainConfig(
        epochs=epochs,
        batch_size=512,
        optimiser="muon",
        learning_rate=0.15,
        momentum=0.6,
        bias_rate=64.0,
        schedule="linear",
        label_smoothing=0.2,
        augment=("flip",),
        validation=0.0,
    )
    return Recipe(
        f"speed/{goal}",
        f"SpeedNet {'/'.join(map(str, widths))}, Muon, {epochs} epochs; evaluate with --views 2",
        "speednet",
        "fashion-mnist",
        config,
        accuracy,
        f"our mean of 10 seeds; with the mirror image {with_mirror_image:.3f}",
        {"widths": list(widths)},
    )

"""notes/…: the runs of *Dive into Deep Learning*'s convolutional chapters, exactly as its readers run them.

Fashion-MNIST, plain SGD at a constant rate, cross-entropy, Xavier-uniform weights, pixels in [0, 1] without
normalization, bilinear resizing, ten epochs over all 60,000 training images, the test set at the end.
"""

from __future__ import annotations

from convnets.recipes.recipe import Recipe
from convnets.training.config import TrainConfig

__all__ = ["NOTES", "notes_recipe"]

_BOOK = "median of the book's own builds on a V100, one seed each"
_NOTES = "printed in study notes on the book, one seed"

# network: side of the input, batch size, learning rate, expected test accuracy, whose figure that is
NOTES: dict[str, tuple[int, int, float, float, str]] = {
    "lenet": (28, 256, 0.9, 0.802, _BOOK),
    "lenet_bn": (28, 256, 1.0, 0.830, _NOTES),
    "alexnet_d2l": (224, 128, 0.01, 0.880, _BOOK),
    "vgg11_quarter": (224, 128, 0.05, 0.911, _NOTES),
    "nin": (224, 128, 0.1, 0.843, _BOOK),
    "googlenet": (96, 128, 0.1, 0.886, _NOTES),
    "resnet18_d2l": (96, 256, 0.05, 0.915, _NOTES),
    "densenet_d2l": (96, 256, 0.1, 0.882, _NOTES),
}


def notes_recipe(network: str) -> Recipe:
    """The book's run of one of `NOTES`.

    >>> notes_recipe("lenet").config.learning_rate
    0.9
    """
    size, batch_size, learning_rate, accuracy, source = NOTES[network]
    config = TrainConfig(
        epochs=10,
        batch_size=batch_size,
        optimizer="sgd",
        learning_rate=learning_rate,
        momentum=0.0,
        nesterov=False,
        weight_decay=0.0,
        schedule="constant",
        initializer="xavier-uniform",
        size=size,
        normalize=False,
        validation=0.0,
    )
    summary = f"the book's {network}: SGD {learning_rate}, batch {batch_size}, {size} pixels, 10 epochs"
    return Recipe(f"notes/{network}", summary, network, "fashion-mnist", config, accuracy, source)

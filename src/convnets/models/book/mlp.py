"""The multilayer perceptron: hidden layers between an example's numbers and its classes.

N examples, C channels, H height, W width, D hidden units of the last hidden layer, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from convnets.errors import ConfigError, UnknownNameError
from convnets.layers.activations import RescaledSigmoid
from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes
from convnets.models.widths import widened

__all__ = ["MLP"]

HIDDEN_UNITS = 256
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "rescaled-sigmoid": RescaledSigmoid,
}


class MLP(ImageClassifier):
    """Multilayer perceptron, 1986.

    Paper: Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors", 1986.
    Idea: a hidden layer with a non-linearity learns its own features of the whole picture.
    Input: 28×28; the linear layers fix the size. Of side 1 it takes vectors N×C.
    Width: the hidden units are 256 times it. Dropout: of hidden units, none by default.
    Differs from the paper: ReLU instead of the sigmoid, 256 hidden units, as in chapter 5 of Zhang et al., "Dive
    into Deep Learning", 2021; there may be more layers, batch norm before and dropout after each non-linearity.
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 10,
        input_size: int = 28,
        *,
        widths: Sequence[int] = (HIDDEN_UNITS,),
        width: float = 1.0,
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
    ) -> None:
        _check_widths(widths)
        if activation not in ACTIVATIONS:
            raise UnknownNameError("activation", activation, ACTIVATIONS)
        hidden = widened(width, *widths)
        sizes = InputSizes.for_vectors(input_size, lone_image=math.inf if batch_norm else 0)
        super().__init__(
            in_channels=in_channels, num_classes=num_classes, embedding_size=hidden[-1], sizes=sizes
        )
        layers: list[nn.Module] = [nn.Flatten()]  # N×784
        numbers = in_channels * input_size**2
        for units in hidden:
            layers.append(nn.Linear(numbers, units))  # N×256
            if batch_norm:
                layers.append(nn.BatchNorm1d(units))
            layers.append(ACTIVATIONS[activation]())
            if dropout:
                layers.append(nn.Dropout(dropout))
            numbers = units
        self.hidden = nn.Sequential(*layers)
        self.classifier = nn.Linear(numbers, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """The images or vectors themselves, as there is no convolution."""
        self.check_input(x)
        return x

    def embed(self, x: Tensor) -> Tensor:
        """The units of the last hidden layer: N×D."""
        x = self.hidden(self.features(x))  # N×256
        return x

    def classify(self, x: Tensor) -> Tensor:
        """Logits of what `features` gives: N×K."""
        x = self.hidden(x)  # N×256
        x = self.classifier(x)  # N×K
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits: N×K."""
        x = self.classify(self.features(x))  # N×K
        return x


def _check_widths(widths: object) -> None:
    whole = isinstance(widths, list | tuple) and all(type(each) is int and each >= 1 for each in widths)
    if not whole or not widths:
        raise ConfigError(
            f"widths is {widths!r}; allowed: one or more whole numbers from 1, the units of each hidden layer"
        )

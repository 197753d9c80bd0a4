"""The multilayer perceptron: a hidden layer between pixels and classes.

N images, C channels, H height, W width, D hidden units, K classes.
"""

from __future__ import annotations

from torch import Tensor, nn

from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes
from convnets.models.widths import widened

__all__ = ["MLP"]

HIDDEN_UNITS = 256


class MLP(ImageClassifier):
    """Multilayer perceptron with one hidden layer, 1986.

    Paper: Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors", 1986.
    Idea: a hidden layer with a non-linearity learns its own features of the whole picture.
    Input: 28×28; the linear layers fix the size.
    Width: the hidden units are 256 times it. Dropout: of hidden units, none by default.
    Differs from the paper: ReLU instead of the sigmoid, 256 hidden units, as in chapter 5 of Zhang et al., "Dive
    into Deep Learning", 2021.
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 10,
        input_size: int = 28,
        width: float = 1.0,
        dropout: float = 0.0,
    ) -> None:
        sizes = InputSizes.for_head((), input_size)
        (hidden,) = widened(width, HIDDEN_UNITS)
        super().__init__(in_channels=in_channels, num_classes=num_classes, embedding_size=hidden, sizes=sizes)
        self.hidden = nn.Sequential(
            nn.Flatten(),  # N×784
            nn.Linear(in_channels * input_size**2, hidden),  # N×256
            nn.ReLU(),
            *([nn.Dropout(dropout)] if dropout else []),
        )
        self.classifier = nn.Linear(hidden, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """The images themselves, N×C×H×W, as there is no convolution."""
        self.check_input(x)
        return x

    def embed(self, x: Tensor) -> Tensor:
        """The hidden units: N×D."""
        x = self.hidden(self.features(x))  # N×256
        return x

    def classify(self, x: Tensor) -> Tensor:
        """Logits of the maps that `features` gives: N×K."""
        x = self.hidden(x)  # N×256
        x = self.classifier(x)  # N×K
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits: N×K."""
        x = self.classify(self.features(x))  # N×K
        return x

"""Linear regression: one linear layer from an image's or a vector's numbers to the numbers asked for.

N examples, C channels, H height, W width, D = C·H·W numbers of an example, K numbers asked for.
"""

from __future__ import annotations

from torch import Tensor, nn

from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes

__all__ = ["LinearRegression"]


class LinearRegression(ImageClassifier):
    """Linear regression, 1805.

    Paper: A.-M. Legendre, "Nouvelles méthodes pour la détermination des orbites des comètes", 1805.
    Idea: the answer is a weighted sum of the numbers, and the weights that leave the smallest sum of squares are best.
    Input: 28×28; the linear layer fixes the size. Of side 1 it takes vectors N×C.
    Differs from the paper: the weights are found by gradient descent; `fit_linear` finds them as the paper does.
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 1, input_size: int = 28) -> None:
        sizes = InputSizes.for_vectors(input_size)
        numbers = in_channels * input_size**2
        super().__init__(
            in_channels=in_channels, num_classes=num_classes, embedding_size=numbers, sizes=sizes
        )
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(numbers, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """The images or vectors themselves, as there is no convolution."""
        self.check_input(x)
        return x

    def embed(self, x: Tensor) -> Tensor:
        """The numbers in a row: N×D."""
        x = self.flatten(self.features(x))  # N×784
        return x

    def classify(self, x: Tensor) -> Tensor:
        """The numbers asked for, of what `features` gives: N×K."""
        x = self.flatten(x)  # N×784
        x = self.classifier(x)  # N×K
        return x

    def forward(self, x: Tensor) -> Tensor:
        """The numbers asked for: N×K."""
        x = self.classify(self.features(x))  # N×K
        return x

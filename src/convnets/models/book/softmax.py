"""Softmax regression: one linear layer from pixels to classes.

N images, C channels, H height, W width, D = C·H·W numbers of an image, K classes.
"""

from __future__ import annotations

from torch import Tensor, nn

from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes

__all__ = ["SoftmaxRegression"]


class SoftmaxRegression(ImageClassifier):
    """Softmax regression (multinomial logistic regression), 1958.

    Paper: D. R. Cox, "The regression analysis of binary sequences", 1958, for two classes; with K classes as in
    chapter 4 of Zhang et al., "Dive into Deep Learning", 2021.
    Idea: each class has one weight per pixel; the class whose template fits best wins.
    Input: 28×28; the linear layer fixes the size. Of side 1 it takes vectors N×C.
    Differs from the paper: K classes instead of two, and a loss that is minimized by gradient descent.

    It is the baseline that a convolutional network has to beat: to it a picture shifted by one pixel is another
    picture. Softmax itself belongs to the loss, here and in every network of the catalogue.
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 10, input_size: int = 28) -> None:
        sizes = InputSizes.for_vectors(input_size)
        pixels = in_channels * input_size**2
        super().__init__(in_channels=in_channels, num_classes=num_classes, embedding_size=pixels, sizes=sizes)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(pixels, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """The images themselves, N×C×H×W, as there is no convolution."""
        self.check_input(x)
        return x

    def embed(self, x: Tensor) -> Tensor:
        """The pixels in a row: N×D."""
        x = self.flatten(self.features(x))  # N×784
        return x

    def classify(self, x: Tensor) -> Tensor:
        """Logits of the maps that `features` gives: N×K."""
        x = self.flatten(x)  # N×784
        x = self.classifier(x)  # N×K
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits: N×K."""
        x = self.classify(self.features(x))  # N×K
        return x

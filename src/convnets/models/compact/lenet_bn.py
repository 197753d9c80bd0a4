"""LeNet with batch normalization: the same small network, whose sigmoids no longer saturate.

N images, C channels, H height, W width, D features of an embedding, K classes; shapes for 28×28 images.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes, Window, side_after
from convnets.models.widths import widened

__all__ = ["LeNetBatchNorm"]

# kernel, stride, padding of the two convolutions and the two pooling layers
WINDOWS: tuple[Window, ...] = ((5, 1, 0), (2, 2, 0), (5, 1, 0), (2, 2, 0))


class LeNetBatchNorm(ImageClassifier):
    """LeNet with batch normalization before every sigmoid, 2015.

    Paper: Ioffe & Szegedy, "Batch normalization: accelerating deep network training by reducing internal
    covariate shift", 2015; the network is that of LeCun et al., 1998.
    Idea: normalizing each channel over the batch keeps the sigmoids out of saturation, so that a large learning
    rate works.
    Input: 28×28; the fully connected head fixes the size. Training needs at least 2 images per batch.
    Width: a factor on the channels and units of all layers but the last.
    Differs from the paper: applied to LeNet as in chapter 8 of Zhang et al., "Dive into Deep Learning", 2021: no
    padding in the first convolution, and the layers keep the biases that batch norm makes superfluous.
    """

    def __init__(
        self, in_channels: int = 1, num_classes: int = 10, input_size: int = 28, width: float = 1.0
    ) -> None:
        # after a linear layer batch norm sees one value per image, so a single image never suffices
        sizes = InputSizes.for_head(WINDOWS, input_size, lone_image=math.inf)
        first, second, third, last = widened(width, 6, 16, 120, 84)
        super().__init__(in_channels=in_channels, num_classes=num_classes, embedding_size=last, sizes=sizes)
        self.convolutions = nn.Sequential(
            nn.Conv2d(in_channels, first, kernel_size=5),  # N×6×24×24
            nn.BatchNorm2d(first),
            nn.Sigmoid(),
            nn.AvgPool2d(kernel_size=2, stride=2),  # N×6×12×12
            nn.Conv2d(first, second, kernel_size=5),  # N×16×8×8
            nn.BatchNorm2d(second),
            nn.Sigmoid(),
            nn.AvgPool2d(kernel_size=2, stride=2),  # N×16×4×4
        )
        self.hidden = nn.Sequential(
            nn.Flatten(),  # N×256
            nn.Linear(second * side_after(input_size, WINDOWS) ** 2, third),  # N×120
            nn.BatchNorm1d(third),
            nn.Sigmoid(),
            nn.Linear(third, last),  # N×84
            nn.BatchNorm1d(last),
            nn.Sigmoid(),
        )
        self.classifier = nn.Linear(last, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """The 16 maps after the second pooling layer: N×16×H×W."""
        self.check_input(x)
        x = self.convolutions(x)  # N×16×4×4
        return x

    def embed(self, x: Tensor) -> Tensor:
        """The last hidden layer: N×84."""
        x = self.hidden(self.features(x))  # N×84
        return x

    def classify(self, x: Tensor) -> Tensor:
        """Logits of the maps that `features` gives: N×K."""
        x = self.hidden(x)  # N×84
        x = self.classifier(x)  # N×K
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits: N×K."""
        x = self.classify(self.features(x))  # N×K
        return x

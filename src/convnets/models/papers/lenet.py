"""LeNet-5: the first convolutional network that read digits for a living.

N images, C channels, H height, W width, D features of an embedding, K classes; shapes for 28×28 images.
"""

from __future__ import annotations

from torch import Tensor, nn

from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes, Window, side_after

__all__ = ["LeNet"]

# kernel, stride, padding of the two convolutions and the two pooling layers
WINDOWS: tuple[Window, ...] = ((5, 1, 2), (2, 2, 0), (5, 1, 0), (2, 2, 0))


class LeNet(ImageClassifier):
    """LeNet-5, 1998.

    Paper: LeCun, Bottou, Bengio & Haffner, "Gradient-based learning applied to document recognition", 1998.
    Idea: small filters that are shared by all positions, and maps that shrink while they grow in number.
    Input: 28×28; the fully connected head fixes the size.
    Differs from the paper: every map of the second convolution sees all six maps of the first; pooling has no
    weights; sigmoid instead of a scaled tanh; a linear output layer instead of Gaussian (radial basis) units; 28
    pixels padded by 2 instead of 32. All as in chapter 7 of Zhang et al., "Dive into Deep Learning", 2021.
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 10, input_size: int = 28) -> None:
        sizes = InputSizes.for_head(WINDOWS, input_size)
        super().__init__(in_channels=in_channels, num_classes=num_classes, embedding_size=84, sizes=sizes)
        self.convolutions = nn.Sequential(
            nn.Conv2d(in_channels, 6, kernel_size=5, padding=2),  # N×6×28×28
            nn.Sigmoid(),
            nn.AvgPool2d(kernel_size=2, stride=2),  # N×6×14×14
            nn.Conv2d(6, 16, kernel_size=5),  # N×16×10×10
            nn.Sigmoid(),
            nn.AvgPool2d(kernel_size=2, stride=2),  # N×16×5×5
        )
        self.hidden = nn.Sequential(
            nn.Flatten(),  # N×400
            nn.Linear(16 * side_after(input_size, WINDOWS) ** 2, 120),  # N×120
            nn.Sigmoid(),
            nn.Linear(120, 84),  # N×84
            nn.Sigmoid(),
        )
        self.classifier = nn.Linear(84, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """The 16 maps after the second pooling layer: N×16×H×W."""
        self.check_input(x)
        x = self.convolutions(x)  # N×16×5×5
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

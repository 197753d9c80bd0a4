"""LeNet along one axis: convolutions and pooling for series.

N series, C channels, L length, D features of an embedding, K classes; shapes for series of 128 numbers.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes, Window, side_after

__all__ = ["LeNet1D"]

# kernel, stride, padding of the two convolutions and the two pooling layers
WINDOWS: tuple[Window, ...] = ((5, 1, 0), (2, 2, 0), (5, 1, 0), (2, 2, 0))


class LeNet1D(ImageClassifier):
    """LeNet for series, 2016.

    Paper: Le Guennec, Malinowski & Tavenard, "Data augmentation for time series classification using convolutional
    neural networks", 2016, whose t-LeNet it is.
    Idea: a short filter that slides along time finds a pattern wherever it comes.
    Input: 1×128; the fully connected head fixes the length.
    Differs from the paper: the second pooling halves the length instead of quartering it, and the widths 6, 16, 120
    and 84 are those of LeNet; ReLU.
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 10, input_size: int = 128) -> None:
        sizes = replace(InputSizes.for_head(WINDOWS, input_size), axes=(1,))
        super().__init__(in_channels=in_channels, num_classes=num_classes, embedding_size=84, sizes=sizes)
        self.convolutions = nn.Sequential(
            nn.Conv1d(in_channels, 6, kernel_size=5),  # N×6×124
            nn.ReLU(),
            nn.MaxPool1d(kernel_size=2, stride=2),  # N×6×62
            nn.Conv1d(6, 16, kernel_size=5),  # N×16×58
            nn.ReLU(),
            nn.MaxPool1d(kernel_size=2, stride=2),  # N×16×29
        )
        self.hidden = nn.Sequential(
            nn.Flatten(),  # N×464
            nn.Linear(16 * side_after(input_size, WINDOWS), 120),  # N×120
            nn.ReLU(),
            nn.Linear(120, 84),  # N×84
            nn.ReLU(),
        )
        self.classifier = nn.Linear(84, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """The 16 channels after the second pooling layer: N×16×L."""
        self.check_input(x)
        x = self.convolutions(x)  # N×16×29
        return x

    def embed(self, x: Tensor) -> Tensor:
        """The last hidden layer: N×84."""
        x = self.hidden(self.features(x))  # N×84
        return x

    def classify(self, x: Tensor) -> Tensor:
        """Logits of what `features` gives: N×K."""
        x = self.hidden(x)  # N×84
        x = self.classifier(x)  # N×K
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits: N×K."""
        x = self.classify(self.features(x))  # N×K
        return x

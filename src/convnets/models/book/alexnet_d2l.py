"""AlexNet in one column, as Dive into Deep Learning builds it.

N images, C channels, H height, W width, D features of an embedding, K classes; shapes for 224×224 images.
"""

from __future__ import annotations

from torch import Tensor, nn

from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes, Window, side_after

__all__ = ["AlexNetD2L"]

# kernel, stride, padding of the five convolutions and the three pooling layers, in order
WINDOWS: tuple[Window, ...] = (
    (11, 4, 1),
    (3, 2, 0),
    (5, 1, 2),
    (3, 2, 0),
    (3, 1, 1),
    (3, 1, 1),
    (3, 1, 1),
    (3, 2, 0),
)


class AlexNetD2L(ImageClassifier):
    """AlexNet for one device, 2012.

    Paper: Krizhevsky, Sutskever & Hinton, "ImageNet classification with deep convolutional neural networks", 2012.
    Idea: a LeNet grown large, with ReLU against vanishing gradients and dropout against overfitting, trained on
    graphics processors: depth pays on a million photographs.
    Input: 224×224; the fully connected head fixes the size.
    Differs from the paper: one column of channels instead of two that were split over two devices; no local
    response normalization; the first convolution pads by 1; 1 channel and 10 classes by default. As in chapter 8
    of Zhang et al., "Dive into Deep Learning", 2021.
    """

    def __init__(
        self, in_channels: int = 1, num_classes: int = 10, input_size: int = 224, dropout: float = 0.5
    ) -> None:
        sizes = InputSizes.for_head(WINDOWS, input_size)
        super().__init__(in_channels=in_channels, num_classes=num_classes, embedding_size=4096, sizes=sizes)
        self.convolutions = nn.Sequential(
            nn.Conv2d(in_channels, 96, kernel_size=11, stride=4, padding=1),  # N×96×54×54
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # N×96×26×26
            nn.Conv2d(96, 256, kernel_size=5, padding=2),  # N×256×26×26
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # N×256×12×12
            nn.Conv2d(256, 384, kernel_size=3, padding=1),  # N×384×12×12
            nn.ReLU(),
            nn.Conv2d(384, 384, kernel_size=3, padding=1),  # N×384×12×12
            nn.ReLU(),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),  # N×256×12×12
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # N×256×5×5
        )
        self.hidden = nn.Sequential(
            nn.Flatten(),  # N×6400
            nn.Linear(256 * side_after(input_size, WINDOWS) ** 2, 4096),  # N×4096
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),  # N×4096
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.classifier = nn.Linear(4096, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """The maps after the last pooling layer: N×256×H×W."""
        self.check_input(x)
        x = self.convolutions(x)  # N×256×5×5
        return x

    def embed(self, x: Tensor) -> Tensor:
        """The last hidden layer: N×4096."""
        x = self.hidden(self.features(x))  # N×4096
        return x

    def classify(self, x: Tensor) -> Tensor:
        """Logits of the maps that `features` gives: N×K."""
        x = self.hidden(x)  # N×4096
        x = self.classifier(x)  # N×K
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits: N×K."""
        x = self.classify(self.features(x))  # N×K
        return x

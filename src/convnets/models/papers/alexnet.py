"""AlexNet in its "one weird trick" form, the one whose weights are published for PyTorch.

N images, C channels, H height, W width, D features of an embedding, K classes; shapes for 224×224 images.
"""

from __future__ import annotations

from torch import Tensor, nn

from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes

__all__ = ["AlexNet"]


class AlexNet(ImageClassifier):
    """AlexNet, the single-column version, 2014.

    Paper: Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014; the idea is that of
    Krizhevsky, Sutskever & Hinton, 2012.
    Idea: a deep convolutional network with ReLU and dropout, trained on a million photographs.
    Input: 224×224; any size from 63, as the last maps are averaged to 6×6.
    Differs from the paper: adaptive average pooling to 6×6 before the head and dropout before each of its first
    two layers; 256 channels in the fourth convolution, where the paper's footnote 1 has 384; no local response
    normalization. All as in torchvision's published weights.
    """

    def __init__(self, in_channels: int = 3, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            embedding_size=4096,
            sizes=InputSizes(smallest=63),
        )
        self.convolutions = nn.Sequential(
            nn.Conv2d(in_channels, 64, kernel_size=11, stride=4, padding=2),  # N×64×55×55
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # N×64×27×27
            nn.Conv2d(64, 192, kernel_size=5, padding=2),  # N×192×27×27
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # N×192×13×13
            nn.Conv2d(192, 384, kernel_size=3, padding=1),  # N×384×13×13
            nn.ReLU(),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),  # N×256×13×13
            nn.ReLU(),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),  # N×256×13×13
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # N×256×6×6
        )
        self.hidden = nn.Sequential(
            nn.AdaptiveAvgPool2d(6),  # N×256×6×6
            nn.Flatten(),  # N×9216
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),  # N×4096
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),  # N×4096
            nn.ReLU(),
        )
        self.classifier = nn.Linear(4096, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """The maps after the last pooling layer: N×256×H×W."""
        self.check_input(x)
        x = self.convolutions(x)  # N×256×6×6
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

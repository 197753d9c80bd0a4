"""VGG-11 with a quarter of the channels, as Dive into Deep Learning trains it on Fashion-MNIST.

N images, C channels, H height, W width, D features of an embedding, K classes; shapes for 224×224 images.
"""

from __future__ import annotations

from torch import Tensor, nn

from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes, Window, side_after
from convnets.models.papers.vgg import A, vgg_block

__all__ = ["VGG11Quarter"]

# kernel, stride, padding of all convolutions and pooling layers, block by block
WINDOWS: tuple[Window, ...] = tuple(
    window for convolutions, _ in A for window in (*[(3, 1, 1)] * convolutions, (2, 2, 0))
)


class VGG11Quarter(ImageClassifier):
    """VGG-11 with a quarter of the channels, 2014.

    Paper: Simonyan & Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014.
    Idea: repeat one simple block; narrow enough for images that are easier than photographs.
    Input: 224×224; the fully connected head fixes the size.
    Differs from the paper: a quarter of each block's channels, 1 channel and 10 classes by default. As in
    chapter 8 of Zhang et al., "Dive into Deep Learning", 2021.
    """

    def __init__(
        self, in_channels: int = 1, num_classes: int = 10, input_size: int = 224, dropout: float = 0.5
    ) -> None:
        sizes = InputSizes.for_head(WINDOWS, input_size)
        super().__init__(in_channels=in_channels, num_classes=num_classes, embedding_size=4096, sizes=sizes)
        blocks = []
        for convolutions, channels in A:
            blocks.append(vgg_block(convolutions, in_channels, channels // 4))
            in_channels = channels // 4
        self.blocks = nn.Sequential(*blocks)  # 16×112×112, 32×56×56, 64×28×28, 128×14×14, 128×7×7
        self.hidden = nn.Sequential(
            nn.Flatten(),  # N×6272
            nn.Linear(in_channels * side_after(input_size, WINDOWS) ** 2, 4096),  # N×4096
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),  # N×4096
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.classifier = nn.Linear(4096, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """The maps after the last block: N×128×H/32×W/32."""
        self.check_input(x)
        x = self.blocks(x)  # N×128×7×7
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

"""NiN, network in network: 1×1 convolutions after each convolution, and no fully connected layer at all.

N images, C channels, H height, W width, D features of an embedding, K classes; shapes for 224×224 images.
"""

from __future__ import annotations

from torch import Tensor, nn

from convnets.layers.blocks import nin_block
from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes

__all__ = ["NiN", "nin_block"]


class NiN(ImageClassifier):
    """Network in network, 2013.

    Paper: Lin, Chen & Yan, "Network in network", 2013.
    Idea: a small perceptron at every pixel instead of a fully connected head; the average over each of the last K
    maps is the logit of a class.
    Input: 224×224; any size from 67.
    Differs from the paper: sizes of AlexNet instead of CIFAR's, as in chapter 8 of Zhang et al., "Dive into Deep
    Learning", 2021. The last block ends in ReLU as theirs does, so no logit is below 0; and a class whose map is 0 on
    every image gets no gradient and is never answered, as after many a random start. `last_relu=False` leaves it out.

    There is no last linear layer: `embed` averages the maps that the last block starts from, and `forward` does not
    go through it.
    """

    def __init__(
        self, in_channels: int = 1, num_classes: int = 10, dropout: float = 0.5, last_relu: bool = True
    ) -> None:
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            embedding_size=384,
            sizes=InputSizes(smallest=67),
        )
        self.blocks = nn.Sequential(
            nin_block(in_channels, 96, kernel_size=11, stride=4, padding=0),  # N×96×54×54
            nn.MaxPool2d(kernel_size=3, stride=2),  # N×96×26×26
            nin_block(96, 256, kernel_size=5, stride=1, padding=2),  # N×256×26×26
            nn.MaxPool2d(kernel_size=3, stride=2),  # N×256×12×12
            nin_block(256, 384, kernel_size=3, stride=1, padding=1),  # N×384×12×12
            nn.MaxPool2d(kernel_size=3, stride=2),  # N×384×5×5
        )
        self.dropout = nn.Dropout(dropout)
        maps = nin_block(384, num_classes, kernel_size=3, stride=1, padding=1)
        self.class_maps = maps if last_relu else nn.Sequential(*list(maps)[:-1])  # N×K×5×5
        self.pool = nn.AdaptiveAvgPool2d(1)  # N×K×1×1
        self.flatten = nn.Flatten()  # N×K

    def features(self, x: Tensor) -> Tensor:
        """The maps after the third block and its pooling: N×384×H×W."""
        self.check_input(x)
        x = self.blocks(x)  # N×384×5×5
        return x

    def embed(self, x: Tensor) -> Tensor:
        """The average of each of the last feature maps: N×384."""
        x = self.flatten(self.pool(self.features(x)))  # N×384
        return x

    def classify(self, x: Tensor) -> Tensor:
        """Logits of the maps that `features` gives: N×K."""
        x = self.class_maps(self.dropout(x))  # N×K×5×5
        x = self.flatten(self.pool(x))  # N×K
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits: N×K."""
        x = self.classify(self.features(x))  # N×K
        return x

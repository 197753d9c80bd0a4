"""GoogLeNet with batch normalization, the form whose weights are published for PyTorch.

N images, C channels, H height, W width, D features of an embedding, K classes; shapes for 224×224 images.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from convnets.errors import UsageError
from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes
from convnets.models.papers.googlenet import INCEPTION_ROWS

__all__ = ["AuxiliaryHeadBatchNorm", "GoogLeNetBatchNorm", "InceptionBatchNorm"]


def convolution(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> nn.Sequential:
    """Convolution that keeps the size (at stride 1), batch norm, ReLU; batch norm's shift replaces the bias."""
    padding = kernel_size // 2
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False),
            bn=nn.BatchNorm2d(out_channels, eps=0.001),
            relu=nn.ReLU(),
        )
    )


class InceptionBatchNorm(nn.Module):
    """Four paths over the same input, whose outputs are concatenated along the channels.

    The third path is called 5×5 in the paper and is a 3×3 convolution here: the published weights are those of a
    network that was ported with this mistake, and load into no other.
    """

    def __init__(
        self, in_channels: int, one: int, three: tuple[int, int], five: tuple[int, int], pooled: int
    ) -> None:
        super().__init__()
        self.path1 = convolution(in_channels, one, 1)
        self.path2 = nn.Sequential(convolution(in_channels, three[0], 1), convolution(three[0], three[1], 3))
        self.path3 = nn.Sequential(convolution(in_channels, five[0], 1), convolution(five[0], five[1], 3))
        self.path4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            convolution(in_channels, pooled, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Concatenate the four paths."""
        return torch.cat([self.path1(x), self.path2(x), self.path3(x), self.path4(x)], dim=1)


class AuxiliaryHeadBatchNorm(nn.Module):
    """A small classifier halfway up: N×`in_channels`×H×W → N×`num_classes`."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.conv = convolution(in_channels, 128, 1)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(0.7)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of this head."""
        x = self.flatten(self.conv(self.pool(x)))  # N×2048
        x = self.dropout(self.relu(self.fc1(x)))  # N×1024
        x = self.fc2(x)  # N×K
        return x


class GoogLeNetBatchNorm(ImageClassifier):
    """GoogLeNet (Inception v1) with batch normalization, 2015.

    Paper: Szegedy et al., "Going deeper with convolutions", 2014; batch norm: Ioffe & Szegedy, 2015.
    Idea: Inception blocks whose every convolution is normalized over the batch, so that they train fast.
    Input: 224×224; any size from 15.
    Differs from the paper: batch norm with eps 0.001 after every convolution; the 5×5 convolutions are 3×3;
    dropout 0.2 instead of 0.4; no local response normalization; the auxiliary heads average to 4×4 adaptively.
    All as in torchvision's published weights, which want pixels as (x − 0.5) / 0.5.

    With `auxiliary=True` it has the two auxiliary heads, after blocks 4a and 4d.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1000,
        dropout: float = 0.2,
        *,
        auxiliary: bool = False,
    ) -> None:
        sizes = InputSizes(smallest=15, lone_image=47)
        super().__init__(in_channels=in_channels, num_classes=num_classes, embedding_size=1024, sizes=sizes)
        self.stem = nn.Sequential(
            convolution(in_channels, 64, 7, stride=2),  # N×64×112×112
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # N×64×56×56
            convolution(64, 64, 1),  # N×64×56×56
            convolution(64, 192, 3),  # N×192×56×56
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # N×192×28×28
        )
        self.inception = nn.ModuleDict(
            {name: InceptionBatchNorm(*row) for name, row in INCEPTION_ROWS.items()}
        )
        self.halve3 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.halve4 = nn.MaxPool2d(kernel_size=2, stride=2, ceil_mode=True)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(1024, num_classes)
        self.has_auxiliary = auxiliary
        if auxiliary:
            self.auxiliary1 = AuxiliaryHeadBatchNorm(512, num_classes)
            self.auxiliary2 = AuxiliaryHeadBatchNorm(528, num_classes)

    def _trunk(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps after blocks 4a, 4d and 5b."""
        self.check_input(x)
        inception = self.inception
        x = self.stem(x)  # N×192×28×28
        x = self.halve3(inception["3b"](inception["3a"](x)))  # N×480×14×14
        after_4a = inception["4a"](x)  # N×512×14×14
        after_4d = inception["4d"](inception["4c"](inception["4b"](after_4a)))  # N×528×14×14
        x = self.halve4(inception["4e"](after_4d))  # N×832×7×7
        x = inception["5b"](inception["5a"](x))  # N×1024×7×7
        return after_4a, after_4d, x

    def features(self, x: Tensor) -> Tensor:
        """The maps after block 5b: N×1024×H/32×W/32."""
        return self._trunk(x)[2]  # N×1024×7×7

    def embed(self, x: Tensor) -> Tensor:
        """The average of each of the last feature maps: N×1024."""
        x = self.flatten(self.pool(self.features(x)))  # N×1024
        return x

    def classify(self, x: Tensor) -> Tensor:
        """Logits of the maps that `features` gives: N×K."""
        x = self.flatten(self.pool(x))  # N×1024
        x = self.classifier(self.dropout(x))  # N×K
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits: N×K."""
        x = self.classify(self.features(x))  # N×K
        return x

    def forward_with_auxiliary(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the network and of its auxiliary heads after blocks 4a and 4d, each N×K.

        Raises UsageError when the network was built without `auxiliary=True`.
        """
        if not self.has_auxiliary:
            raise UsageError("googlenet_bn was built without auxiliary heads; build it with auxiliary=True")
        after_4a, after_4d, last = self._trunk(x)
        logits = self.classify(last)  # N×K
        return logits, self.auxiliary1(after_4a), self.auxiliary2(after_4d)

"""SpeedNet: a small network that a few epochs are enough for.

N images, C channels, H height, W width, D features of an embedding, K classes; shapes for 28×28 images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from convnets.errors import ConfigError
from convnets.layers.initialization.whiten import whitening_filters
from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes
from convnets.models.widths import widened

__all__ = ["SpeedNet"]

_KERNEL = 3  # pixels of a side of the first filters
_STEM_FILTERS = 8  # of the 9 whitening filters for each channel of the image
_STATISTICS_MOMENTUM = 0.6  # share of the last batch in the running statistics: a run has few steps
_CLASSIFIER_SCALE = 1 / 9  # of PyTorch's own weights, so that training starts from almost equal logits


class ConvBlock(nn.Sequential):
    """Convolution, max-pooling, batch norm, ReLU. Pooling first leaves batch norm a quarter of the numbers."""

    def __init__(self, in_channels: int, out_channels: int, pool: nn.Module) -> None:
        norm = nn.BatchNorm2d(out_channels, momentum=_STATISTICS_MOMENTUM)
        norm.weight.requires_grad_(False)  # the next layer's weights can do what a scale would
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False), pool, norm, nn.ReLU()
        )


class SpeedNet(ImageClassifier):
    """Three or four convolutions behind whitening filters that are computed, not learned, 2024.

    Paper: Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024.
    Idea: what a first layer would have to learn is known: filters that whiten the patches of the images.
    Input: 28×28; any size from 10.
    Widths: the channels after each block; of three, the answers of the filters are only pooled before the first.
    Width: a factor on them.
    Differs from the paper: one convolution per block where the paper has two, ReLU for GELU, whitening patches of
    3×3 pixels for 2×2 and without a bias, no identity initialization, and the factor 1/9 on the weights of the
    classifier at the start instead of on its logits.
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 10,
        widths: Sequence[int] = (64, 128, 256),
        width: float = 1.0,
    ) -> None:
        _check_widths(widths)
        widths = widened(width, *widths)
        *stem, first, second, third = widths
        sizes = InputSizes(
            smallest=10, lone_image=math.inf
        )  # the last batch norm sees one number per image and channel
        super().__init__(in_channels=in_channels, num_classes=num_classes, embedding_size=third, sizes=sizes)
        filters = _STEM_FILTERS * in_channels
        self.whitening = nn.Conv2d(in_channels, 2 * filters, _KERNEL, bias=False)  # N×16×26×26
        self.whitening.weight.requires_grad_(False)
        self.whitened: Tensor
        self.register_buffer("whitened", torch.zeros((), dtype=torch.bool))
        self.stem_activation = nn.ReLU()
        pool = nn.MaxPool2d(2)
        self.block0 = ConvBlock(2 * filters, stem[0], pool) if stem else pool  # N×16×13×13
        self.block1 = ConvBlock(stem[0] if stem else 2 * filters, first, nn.MaxPool2d(2))  # N×64×6×6
        self.block2 = ConvBlock(first, second, nn.MaxPool2d(2))  # N×128×3×3
        self.block3 = ConvBlock(second, third, nn.AdaptiveMaxPool2d(1))  # N×256×1×1
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(third, num_classes, bias=False)
        with torch.no_grad():
            self.classifier.weight.mul_(_CLASSIFIER_SCALE)

    def initialize_from(self, images: Tensor) -> None:
        """Compute the first filters from normalized float images N×C×H×W, once: a trained network keeps its own."""
        if self.whitened:
            return
        filters = whitening_filters(images, _KERNEL, self.whitening.out_channels // 2)
        with torch.no_grad():  # with their negatives, because ReLU hides half of every answer
            self.whitening.weight.copy_(torch.cat([filters, -filters]))
            self.whitened.fill_(True)

    def features(self, x: Tensor) -> Tensor:
        """The maximum of each of the last feature maps, normalized: N×256×1×1."""
        self.check_input(x)
        x = self.block0(self.stem_activation(self.whitening(x)))  # N×16×13×13
        x = self.block1(x)  # N×64×6×6
        x = self.block2(x)  # N×128×3×3
        x = self.block3(x)  # N×256×1×1
        return x

    def embed(self, x: Tensor) -> Tensor:
        """The same as a vector: N×256."""
        x = self.flatten(self.features(x))  # N×256
        return x

    def classify(self, x: Tensor) -> Tensor:
        """Logits of the maps that `features` gives: N×K."""
        x = self.flatten(x)  # N×256
        x = self.classifier(x)  # N×K
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits: N×K."""
        x = self.classify(self.features(x))  # N×K
        return x


def _check_widths(widths: Sequence[int]) -> None:
    whole = all(isinstance(width, int) and not isinstance(width, bool) and width > 0 for width in widths)
    if len(widths) not in (3, 4) or not whole:
        raise ConfigError(
            f"widths is {widths!r}; allowed: three or four whole numbers from 1, such as (64, 128, 256)"
        )

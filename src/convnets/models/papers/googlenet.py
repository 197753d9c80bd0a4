"""GoogLeNet: nine Inception blocks, each four paths of different reach side by side.

N images, C channels, H height, W width, D features of an embedding, K classes; shapes for 96×96 images.
"""

from __future__ import annotations

from torch import Tensor, nn

from convnets.errors import InputError, UsageError
from convnets.layers.blocks import Inception
from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes, Window, side_after

__all__ = ["INCEPTION_ROWS", "AuxiliaryHead", "GoogLeNet", "Inception"]

Row = tuple[int, int, tuple[int, int], tuple[int, int], int]
"""A row of the paper's table 1: channels in; of the 1×1, 1×1 → 3×3, 1×1 → 5×5 and pooling → 1×1 paths."""

INCEPTION_ROWS: dict[str, Row] = {
    "3a": (192, 64, (96, 128), (16, 32), 32),
    "3b": (256, 128, (128, 192), (32, 96), 64),
    "4a": (480, 192, (96, 208), (16, 48), 64),
    "4b": (512, 160, (112, 224), (24, 64), 64),
    "4c": (512, 128, (128, 256), (24, 64), 64),
    "4d": (512, 112, (144, 288), (32, 64), 64),
    "4e": (528, 256, (160, 320), (32, 128), 128),
    "5a": (832, 256, (160, 320), (32, 128), 128),
    "5b": (832, 384, (192, 384), (48, 128), 128),
}

# kernel, stride, padding of what shrinks the maps before blocks 4a to 4e, and of an auxiliary head's pooling
AUXILIARY_WINDOWS: tuple[Window, ...] = ((7, 2, 3), (3, 2, 1), (3, 2, 1), (3, 2, 1), (5, 3, 0))


class AuxiliaryHead(nn.Sequential):
    """A small classifier halfway up, whose loss (with weight 0.3) carries a gradient to the layers below it.

    Section 5 of the paper: 5×5 average pooling with stride 3, 128 1×1 convolutions, 1024 hidden units, dropout 0.7.
    `side` is the side of the maps after the pooling: 4 for images of 224 pixels, 1 for 96.
    """

    def __init__(self, in_channels: int, num_classes: int, side: int) -> None:
        super().__init__(
            nn.AvgPool2d(kernel_size=5, stride=3),
            nn.Conv2d(in_channels, 128, kernel_size=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(128 * side**2, 1024),
            nn.ReLU(),
            nn.Dropout(0.7),
            nn.Linear(1024, num_classes),
        )


class GoogLeNet(ImageClassifier):
    """GoogLeNet (Inception v1), 2014.

    Paper: Szegedy et al., "Going deeper with convolutions", 2014.
    Idea: nobody knows the right filter size, so look at several in parallel and let 1×1 convolutions pay for it.
    Input: 96×96 (the paper: 224×224); any size. Auxiliary heads fix the size they are trained at: `input_size`.
    Differs from the paper: no local response normalization, no dropout (40 %) before the last linear layer, 1
    channel and 10 classes by default, as in chapter 8 of Zhang et al., "Dive into Deep Learning", 2021.

    With `auxiliary=True` it has the paper's two auxiliary heads, after blocks 4a and 4d.
    """

    def __init__(
        self, in_channels: int = 1, num_classes: int = 10, input_size: int = 96, *, auxiliary: bool = False
    ) -> None:
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            embedding_size=1024,
            sizes=InputSizes(smallest=1),
        )
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3),  # N×64×48×48
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),  # N×64×24×24
        )
        self.second = nn.Sequential(
            nn.Conv2d(64, 64, kernel_size=1),  # N×64×24×24
            nn.ReLU(),
            nn.Conv2d(64, 192, kernel_size=3, padding=1),  # N×192×24×24
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),  # N×192×12×12
        )
        self.inception = nn.ModuleDict({name: Inception(*row) for name, row in INCEPTION_ROWS.items()})
        self.halve = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)  # after 3b and after 4e
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(1024, num_classes)
        self.auxiliary_sizes = _auxiliary_sizes(input_size) if auxiliary else None
        if auxiliary:
            side = side_after(input_size, AUXILIARY_WINDOWS)
            self.auxiliary1 = AuxiliaryHead(512, num_classes, side)
            self.auxiliary2 = AuxiliaryHead(528, num_classes, side)

    def _trunk(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps after blocks 4a, 4d and 5b."""
        self.check_input(x)
        inception = self.inception
        x = self.second(self.stem(x))  # N×192×12×12
        x = self.halve(inception["3b"](inception["3a"](x)))  # N×480×6×6
        after_4a = inception["4a"](x)  # N×512×6×6
        after_4d = inception["4d"](inception["4c"](inception["4b"](after_4a)))  # N×528×6×6
        x = self.halve(inception["4e"](after_4d))  # N×832×3×3
        x = inception["5b"](inception["5a"](x))  # N×1024×3×3
        return after_4a, after_4d, x

    def features(self, x: Tensor) -> Tensor:
        """The maps after block 5b: N×1024×H/32×W/32."""
        return self._trunk(x)[2]  # N×1024×3×3

    def embed(self, x: Tensor) -> Tensor:
        """The average of each of the last feature maps: N×1024."""
        x = self.flatten(self.pool(self.features(x)))  # N×1024
        return x

    def classify(self, x: Tensor) -> Tensor:
        """Logits of the maps that `features` gives: N×K."""
        x = self.flatten(self.pool(x))  # N×1024
        x = self.classifier(x)  # N×K
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits: N×K."""
        x = self.classify(self.features(x))  # N×K
        return x

    def forward_with_auxiliary(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the network and of its auxiliary heads after blocks 4a and 4d, each N×K.

        Raises UsageError when the network was built without `auxiliary=True`, and InputError for images whose
        size does not fit the heads.
        """
        if self.auxiliary_sizes is None:
            raise UsageError("googlenet was built without auxiliary heads; build it with auxiliary=True")
        self.check_input(x)
        self._check_auxiliary_size(x, self.auxiliary_sizes)
        after_4a, after_4d, last = self._trunk(x)
        logits = self.classify(last)  # N×K
        return logits, self.auxiliary1(after_4a), self.auxiliary2(after_4d)

    def _check_auxiliary_size(self, x: Tensor, sizes: InputSizes) -> None:
        if any(not sizes.smallest <= side <= sizes.largest for side in x.shape[2:]):
            span = f"{sizes.smallest} to {sizes.largest} pixels"
            got = "×".join(map(str, x.shape[2:]))
            raise InputError(
                f"auxiliary heads of googlenet got {got} pixels; built for {span}; use input_size=…"
            )


def _auxiliary_sizes(input_size: int) -> InputSizes:
    return InputSizes.for_head(AUXILIARY_WINDOWS, input_size, name="googlenet with auxiliary heads")

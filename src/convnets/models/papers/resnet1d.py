"""The ResNet for series: three residual blocks along one axis, and an average in the end.

N series, C channels, L length, D features of an embedding, K classes; shapes for series of 128 numbers.
"""

from __future__ import annotations

from torch import Tensor, nn

from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes

__all__ = ["ResNet1D", "SeriesBlock"]

KERNELS = (8, 5, 3)


class SeriesBlock(nn.Module):
    """relu(skip(x) + f(x)) with three convolutions, of 8, 5 and 3 numbers: N×C×L → N×`out_channels`×L."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number, kernel in enumerate(KERNELS):
            given = in_channels if number == 0 else out_channels
            layers += [
                nn.ConstantPad1d(((kernel - 1) // 2, kernel // 2), 0.0),  # L stays, of an even kernel too
                nn.Conv1d(given, out_channels, kernel, bias=False),
                nn.BatchNorm1d(out_channels),
                nn.ReLU(),
            ]
        self.body = nn.Sequential(*layers[:-1])
        self.skip = nn.Sequential(
            nn.Conv1d(in_channels, out_channels, kernel_size=1, bias=False), nn.BatchNorm1d(out_channels)
        )
        if in_channels == out_channels:
            self.skip = nn.Sequential(nn.BatchNorm1d(out_channels))
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """relu(skip(x) + f(x))."""
        return self.relu(self.skip(x) + self.body(x))  # type: ignore[no-any-return]


class ResNet1D(ImageClassifier):
    """ResNet for series, 2017.

    Paper: Wang, Yan & Oates, "Time series classification from scratch with deep neural networks: a strong baseline",
    2017.
    Idea: residual blocks that keep the length, then the average of each channel over time: no length is fixed.
    Input: 1×128; any length.
    Differs from the paper: biases before batch norm, which cancels them, are left out.
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 10) -> None:
        sizes = InputSizes(smallest=1, lone_image=2, axes=(1,))
        super().__init__(in_channels=in_channels, num_classes=num_classes, embedding_size=128, sizes=sizes)
        self.blocks = nn.Sequential(
            SeriesBlock(in_channels, 64),  # N×64×128
            SeriesBlock(64, 128),  # N×128×128
            SeriesBlock(128, 128),  # N×128×128
        )
        self.pool = nn.AdaptiveAvgPool1d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(128, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """The channels after the last block: N×128×L."""
        self.check_input(x)
        x = self.blocks(x)  # N×128×128
        return x

    def embed(self, x: Tensor) -> Tensor:
        """The average of each channel over time: N×128."""
        x = self.flatten(self.pool(self.features(x)))  # N×128
        return x

    def classify(self, x: Tensor) -> Tensor:
        """Logits of what `features` gives: N×K."""
        x = self.flatten(self.pool(x))  # N×128
        x = self.classifier(x)  # N×K
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits: N×K."""
        x = self.classify(self.features(x))  # N×K
        return x

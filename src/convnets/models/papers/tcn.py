"""The temporal convolutional network: dilated causal convolutions, for series.

N series, C channels, L length, D features of an embedding, K classes; shapes for series of 128 numbers.
"""

from __future__ import annotations

from torch import Tensor, nn

from convnets.layers.causal import CausalConv1d
from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes

__all__ = ["TCN", "TemporalBlock"]

CHANNELS, KERNEL, LEVELS = 32, 3, 6


class TemporalBlock(nn.Module):
    """relu(skip(x) + f(x)) with two causal convolutions of the same dilation: N×C×L → N×`out_channels`×L."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            CausalConv1d(in_channels, out_channels, KERNEL, dilation, bias=False),
            nn.BatchNorm1d(out_channels),
            nn.ReLU(),
            CausalConv1d(out_channels, out_channels, KERNEL, dilation, bias=False),
            nn.BatchNorm1d(out_channels),
            nn.ReLU(),
        )
        same = in_channels == out_channels
        self.skip: nn.Module = nn.Identity() if same else nn.Conv1d(in_channels, out_channels, kernel_size=1)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """relu(skip(x) + f(x))."""
        return self.relu(self.skip(x) + self.body(x))  # type: ignore[no-any-return]


class TCN(ImageClassifier):
    """Temporal convolutional network, 2018.

    Paper: Bai, Kolter & Koltun, "An empirical evaluation of generic convolutional and recurrent networks for sequence
    modeling", 2018.
    Idea: causal convolutions whose dilation doubles from block to block: the last step has seen 253 steps.
    Input: 1×128; any length.
    Differs from the paper: batch norm instead of weight norm, no dropout, 32 channels in six blocks, kernels of 3.
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 10) -> None:
        sizes = InputSizes(smallest=1, lone_image=2, axes=(1,))
        super().__init__(
            in_channels=in_channels, num_classes=num_classes, embedding_size=CHANNELS, sizes=sizes
        )
        given = [in_channels] + [CHANNELS] * (LEVELS - 1)
        self.blocks = nn.Sequential(
            *(TemporalBlock(channels, CHANNELS, 2**level) for level, channels in enumerate(given))  # N×32×128
        )
        self.classifier = nn.Linear(CHANNELS, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """The channels after the last block: N×32×L."""
        self.check_input(x)
        x = self.blocks(x)  # N×32×128
        return x

    def embed(self, x: Tensor) -> Tensor:
        """The channels at the last step, which has seen those before: N×32."""
        x = self.features(x)[:, :, -1]  # N×32
        return x

    def classify(self, x: Tensor) -> Tensor:
        """Logits of what `features` gives: N×K."""
        x = self.classifier(x[:, :, -1])  # N×K
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits: N×K."""
        x = self.classify(self.features(x))  # N×K
        return x

"""ImageClassifier: what every network of the catalogue promises.

N images, C channels, H height, W width, D features of an embedding, K classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, fx, nn

from convnets.errors import ConfigError, InputError
from convnets.models.architecture import Architecture
from convnets.models.input_faults import describe_fault
from convnets.models.input_sizes import InputSizes

__all__ = ["ImageClassifier"]

# PyTorch 2.6 has no is_exporting; its is_compiling is true during an export as well
_is_exporting: Callable[[], bool] = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
_is_tracing: Callable[[], bool] = torch.jit.is_tracing  # type: ignore[attr-defined]


class ImageClassifier(nn.Module, ABC):
    """A network that turns images into logits, and exposes intermediate features and the embedding.

    - `features(x)`: the last feature maps, N×C×H×W
    - `embed(x)`: one vector per image, N×D; the numbers that the last linear layer sees
    - `classify(maps)`: logits, N×K, of the maps that `features` gives
    - `forward(x)`: logits, N×K, in training and in evaluation alike; `classify(features(x))`

    `x` is a float tensor N×`in_channels`×H×W; series are N×`in_channels`×L and vectors N×`in_channels` to the networks
    whose `sizes.axes` say so. Any other input raises InputError, whose message gives the remedy.
    The last linear layer is called `classifier` wherever there is one.
    """

    _made_from: Architecture | None = None
    _parts_as_made: tuple[tuple[str, type[nn.Module], str], ...] = ()

    def __init__(self, *, in_channels: int, num_classes: int, embedding_size: int, sizes: InputSizes) -> None:
        super().__init__()
        for name, value in (("in_channels", in_channels), ("num_classes", num_classes)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name} is {value!r}; allowed: a whole number from 1")
        self.in_channels = in_channels
        self.num_classes = num_classes
        self.embedding_size = embedding_size
        self.sizes = sizes

    @property
    def architecture(self) -> Architecture | None:
        """What `create_model` made it from; None for a network that was built by its class.

        None too once a module was exchanged or set otherwise: `create_model` would build another network, into which
        the weights may fit without a word.

        >>> from convnets.models.catalogue import create_model
        >>> network = create_model("lenet")
        >>> network.architecture.name
        'lenet'
        >>> network.convolutions[1] = nn.ReLU()
        >>> network.architecture is None
        True
        """
        return self._made_from if self._parts_as_made == self._parts() else None

    @architecture.setter
    def architecture(self, made_from: Architecture | None) -> None:
        self._made_from, self._parts_as_made = made_from, self._parts()

    def _parts(self) -> tuple[tuple[str, type[nn.Module], str], ...]:
        """Path, class and settings of every module."""
        return tuple(
            (path, type(module), module.extra_repr())
            for path, module in self.named_modules(remove_duplicate=False)
        )

    @property
    def input_size(self) -> int | None:
        """The side that a fully connected head fixes, in pixels; None where any size from `min_size` does."""
        return self.sizes.built_for

    @property
    def min_size(self) -> int:
        """Smallest side that this network takes, in pixels."""
        return self.sizes.smallest

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """The last feature maps: N×C×H×W. Each network calls `check_input` here, where all routes begin."""

    @abstractmethod
    def embed(self, x: Tensor) -> Tensor:
        """One vector per image: N×D."""

    @abstractmethod
    def classify(self, x: Tensor) -> Tensor:
        """Logits N×K of the maps N×C×H×W that `features` gives: `forward(x)` is `classify(features(x))`.

        So the maps can be changed, or followed by a gradient, without another pass through what comes before them.

        >>> from convnets.models.catalogue import create_model
        >>> network = create_model("lenet").eval()
        >>> maps = network.features(torch.zeros(2, 1, 28, 28))
        >>> network.classify(maps * 0).shape
        torch.Size([2, 10])
        """

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Logits: N×K."""

    def check_input(self, x: object) -> None:
        """Raise InputError unless the network can compute `x`; costs microseconds.

        Values are not looked at. Nothing is checked while a graph is traced or exported, where sizes are symbols.
        """
        if isinstance(x, fx.Proxy) or _is_tracing() or _is_exporting():
            return
        if not self._fits(x):
            raise InputError(self.input_fault(x))

    def input_fault(self, x: object) -> str:
        """Why the network cannot compute `x`, with the remedy, in one line; meant for inputs that do not fit."""
        name = self.architecture.name if self.architecture is not None else type(self).__name__
        own_statistics = self.training and self._has_training_batch_norm()
        return describe_fault(x, name, self.in_channels, self.sizes, batch_statistics=own_statistics)

    def _fits(self, x: object) -> bool:
        if not isinstance(x, Tensor) or x.ndim - 2 not in self.sizes.axes or not x.is_floating_point():
            return False
        count, channels, *sides = x.shape
        low, high = (min(sides), max(sides)) if sides else (1, 1)
        if channels != self.in_channels or low < self.sizes.smallest or high > self.sizes.largest:
            return False
        if self.training and count == 1 and high < self.sizes.lone_image:
            return not self._has_training_batch_norm()
        return x.dtype is not torch.float64 or self._computes_in_double()

    def _has_training_batch_norm(self) -> bool:
        """Whether a batch norm would use the batch's own statistics; SyncBatchNorm looks beyond this batch."""
        return any(m.training for m in self.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d))

    def _computes_in_double(self) -> bool:
        return all(weight.dtype is torch.float64 for weight in self.parameters())

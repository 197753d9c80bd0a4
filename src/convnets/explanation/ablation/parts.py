"""Parts of a network that can be switched off: channels of a layer, or all that a block or branch gives."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convnets.errors import InputError
from convnets.explanation.capture.capture import plain_network
from convnets.explanation.inside.concat_lens import concat_lens
from convnets.explanation.inside.residual_lens import residual_lens

__all__ = ["Part", "branches_of", "channels_of"]


@dataclass(frozen=True)
class Part:
    """What is switched off together.

    >>> str(Part("stage2.0.conv1", (3, 5))), str(Part("stage2.0.bn2"))
    ('stage2.0.conv1: 3, 5', 'stage2.0.bn2')
    """

    layer: str
    """A module whose output it is, by its name in the network."""
    channels: tuple[int, ...] | None = None
    """Channels of maps, or features of vectors; None for all."""

    def __str__(self) -> str:
        if self.channels is None:
            return self.layer
        shown = ", ".join(map(str, self.channels[:6])) + (" …" if len(self.channels) > 6 else "")
        return f"{self.layer}: {shown}"


def channels_of(layer: str, count: int) -> list[Part]:
    """Each of the `count` channels of a layer by itself.

    >>> [str(part) for part in channels_of("conv1", 2)]
    ['conv1: 0', 'conv1: 1']
    """
    return [Part(layer, (channel,)) for channel in range(count)]


def branches_of(network: nn.Module, image: tuple[int, int, int]) -> list[Part]:
    """Every branch that a network adds to a shortcut or lays beside others, by the module that it ends in.

    `image` is C×H×W. Residual branches, Inception's paths and the layers of dense blocks; a branch that ends in a
    function, such as a ReLU that is no module, cannot be switched off by name and is left out. Raises InputError for a
    network without branches.

    >>> from convnets.models.catalogue import create_model
    >>> network = create_model("resnet18_small", in_channels=1, num_classes=10, seed=0)
    >>> [str(part) for part in branches_of(network, (1, 28, 28))][:2]
    ['stage1.0.bn2', 'stage1.1.bn2']
    """
    weight = next((each for each in network.parameters() if each.is_floating_point()), torch.zeros(1))
    blank = torch.zeros(1, *image, dtype=weight.dtype, device=weight.device)
    names = [*_added(network, blank), *_joined(network, blank)]
    modules = dict(plain_network(network).named_modules())
    found = [Part(name) for name in dict.fromkeys(names) if name in modules]
    if not found:
        raise InputError(
            f"{type(network).__name__} has no branches that end in a module; choose a layer and its channels"
        )
    return found


def _added(network: nn.Module, blank: Tensor) -> list[str]:
    try:
        return [each.branch for each in residual_lens(network, blank).additions]
    except InputError:
        return []


def _joined(network: nn.Module, blank: Tensor) -> list[str]:
    try:
        found = concat_lens(network, blank).concatenations
    except InputError:
        return []
    return [part.branch for each in found for part in each.parts]

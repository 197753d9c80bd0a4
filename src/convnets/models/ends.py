"""The two ends of a network: what depends on how many channels its images have, and on how many classes it names."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from convnets.models.catalogue import create_model

__all__ = ["channel_dependent", "class_dependent", "last_layer"]

_LAST = ("classifier", "fc", "head")  # what the last layer is called in most networks


def class_dependent(network: nn.Module) -> frozenset[str]:
    """Names in the state dict of what another number of classes would change: the last layer, and auxiliary heads.

    Of a network of the catalogue these are the tensors whose shape differs when it is built for one class more; of any
    other those of its last layer (`last_layer`).

    >>> sorted(class_dependent(create_model("lenet")))
    ['classifier.bias', 'classifier.weight']
    """
    found = _dependent(network, "num_classes")
    return frozenset(_names_in(network, last_layer(network))) if found is None else found


def channel_dependent(network: nn.Module) -> frozenset[str]:
    """Names in the state dict of what another number of image channels would change: the first layer.

    Of a network from outside the catalogue it is the first layer with weights, in the order of its modules.

    >>> sorted(channel_dependent(create_model("resnet18")))
    ['stem.0.weight']
    """
    found = _dependent(network, "in_channels")
    return frozenset(_names_in(network, next(_weighted(network), ""))) if found is None else found


def last_layer(network: nn.Module) -> str:
    """Path of the last layer with weights: inside `classifier`, `fc` or `head` where there is one, else of all.

    >>> last_layer(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4, 2), nn.ReLU()))
    '2'
    """
    children = dict(network.named_children())
    for name in _LAST:
        inside = [] if name not in children else list(_weighted(children[name]))
        if inside:
            return f"{name}.{inside[-1]}".rstrip(".")
    return ["", *_weighted(network)][-1]


def _dependent(network: nn.Module, argument: str) -> frozenset[str] | None:
    """Tensors that are of another shape where `argument` is larger by one; None for a network that cannot be built."""
    made = getattr(network, "architecture", None)
    if made is None:
        return None
    arguments = {**made.arguments, argument: getattr(network, argument) + 1}
    with torch.device("meta"):  # where a network takes no memory
        other: dict[str, Tensor] = create_model(made.name, **arguments).state_dict()
    own: dict[str, Tensor] = network.state_dict()
    return frozenset(name for name, value in own.items() if other[name].shape != value.shape)


def _weighted(network: nn.Module) -> Iterator[str]:
    """Paths of the layers that hold a weight of two axes or more, in the order of the modules."""
    for path, module in network.named_modules():
        if any(parameter.ndim >= 2 for parameter in module.parameters(recurse=False)):
            yield path


def _names_in(network: nn.Module, path: str) -> list[str]:
    if not path:  # the network itself is the layer
        return list(network.state_dict())
    return [name for name in network.state_dict() if name.startswith(f"{path}.")]

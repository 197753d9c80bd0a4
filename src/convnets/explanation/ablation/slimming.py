"""Slimming: a smaller network, without some channels of a layer, that computes what the large one does without them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from convnets.core.network_copy import copy_network
from convnets.errors import InputError
from convnets.explanation.ablation.channel_path import channel_path
from convnets.explanation.capture.capture import plain_network

__all__ = ["slim_network"]


def slim_network(network: nn.Module, layer: str, removed: Iterable[int], image: tuple[int, ...]) -> nn.Module:
    """A copy of `network` whose `layer` and all that reads it have no weights for the channels `removed`.

    Its logits are those of the network with these channels set to zero where they are read (He, Zhang & Sun 2017,
    "Channel pruning for accelerating very deep neural networks"). It is an ordinary module with smaller layers, which
    trains, saves and runs like any; the catalogue cannot build it by name.

    Args:
        layer: a Conv2d of one group or Linear whose channels go, each by itself, to Conv2d or Linear layers: as in
            networks that are chains, and inside the blocks of others.
        image: C×H×W.

    Raises InputError for other layers, for channels that are not there, and where none would be left.

    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    >>> slim_network(network, "0", [1, 3], (1, 8, 8))
    Sequential(
      (0): Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))
      (1): ReLU()
      (2): Flatten(start_dim=1, end_dim=-1)
      (3): Linear(in_features=72, out_features=2, bias=True)
    )
    """
    plain = plain_network(network)
    path = channel_path(plain, layer, image)
    gone = set(removed)
    wrong = sorted(channel for channel in gone if not 0 <= channel < path.channels)
    if wrong or len(gone) >= path.channels:
        raise InputError(
            f"channels {(wrong or sorted(gone))[:6]} of {layer}; allowed: some of 0 to {path.channels - 1}, but not all"
        )
    if not path.readers:
        raise InputError(
            f"what {layer} gives is added to or laid beside other maps before a layer reads it; slimming needs a layer "
            "that others read directly, such as the first convolution of a residual block"
        )
    kept = torch.tensor([channel for channel in range(path.channels) if channel not in gone])
    read = (kept[:, None] * path.spread + torch.arange(path.spread)).flatten()
    small = copy_network(plain)
    modules = dict(small.named_modules())
    _cut_outputs(modules[layer], kept)
    for name in path.norms:
        _cut_norm(modules[name], kept)
    for name in path.readers:
        _cut_inputs(modules[name], read)
    return small


def _cut_outputs(module: nn.Module, kept: Tensor) -> None:
    _replace(module, "weight", kept, 0)
    _replace(module, "bias", kept, 0)
    setattr(module, "out_channels" if isinstance(module, nn.Conv2d) else "out_features", len(kept))


def _cut_inputs(module: nn.Module, kept: Tensor) -> None:
    _replace(module, "weight", kept, 1)
    setattr(module, "in_channels" if isinstance(module, nn.Conv2d) else "in_features", len(kept))


def _cut_norm(module: nn.Module, kept: Tensor) -> None:
    for name in ("weight", "bias"):
        _replace(module, name, kept, 0)
    for name in ("running_mean", "running_var"):
        values = getattr(module, name, None)
        if values is not None:
            setattr(module, name, values.index_select(0, kept.to(values.device)))
    module.num_features = len(kept)  # type: ignore[assignment]


def _replace(module: nn.Module, name: str, kept: Tensor, axis: int) -> None:
    values = getattr(module, name, None)
    if values is None:
        return
    if name not in module._parameters:
        raise InputError(
            f"{name} of {type(module).__name__} is computed from other parameters; remove the parametrization first"
        )
    cut = values.detach().index_select(axis, kept.to(values.device)).clone()
    setattr(module, name, nn.Parameter(cut, requires_grad=values.requires_grad))

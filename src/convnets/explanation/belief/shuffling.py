"""Shuffling: a copy of a network whose weights mean nothing any more, layer after layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from convnets.core.network_copy import copy_network
from convnets.errors import ConfigError, InputError
from convnets.explanation.capture.calls import Calls

__all__ = ["ORDERS", "layers_with_weights", "shuffled_networks"]

ORDERS = ("top-down", "bottom-up")
"""From the logits to the image, as in the paper, and the other way."""


def layers_with_weights(network: nn.Module, calls: Calls) -> list[list[str]]:
    """Names of weights, layer by layer from the image to the logits; a shared one stands where it comes first.

    Weights that take no part in the answer, such as those of auxiliary heads, are left out.
    Raises InputError for a network without weights.

    >>> from convnets.explanation.capture.calls import find_calls
    >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    >>> layers_with_weights(network, find_calls(network, torch.zeros(1, 1, 4, 4)))
    [['0.weight', '0.bias'], ['3.weight', '3.bias']]
    """
    known: set[int] = set()
    found = []
    for path in dict.fromkeys([*(call.path for call in calls.all if call.counts or call.shape is None), ""]):
        module = network.get_submodule(path)
        own = [
            (name, weight)
            for name, weight in module.named_parameters(recurse=False)
            if id(weight) not in known
        ]
        known |= {id(weight) for _, weight in own}
        if own:
            found.append([f"{path}.{name}".lstrip(".") for name, _ in own])
    if not found:
        raise InputError(f"{calls.network} has no weights to randomize")
    return found


def shuffled_networks(
    network: nn.Module, layers: Sequence[Sequence[str]], order: str, *, steps: int, seed: int
) -> Iterator[tuple[str, nn.Module]]:
    """Copies with more and more layers shuffled, in at most `steps` steps to all of them, and the last layer's name.

    The values of each weight tensor are permuted, so that they keep their distribution and activations their size;
    a layer's draw is the same in both orders. The network itself is not touched.
    Raises ConfigError for another order, or no step.
    """
    if order not in ORDERS or steps < 1:
        raise ConfigError(f"order {order!r}, {steps} steps; allowed: {', '.join(ORDERS)}; 1 or more")
    places = list(range(len(layers)))
    if order == "top-down":
        places.reverse()
    copy = copy_network(network)
    weights = dict(copy.named_parameters(remove_duplicate=False))
    done, steps = 0, min(steps, len(places))
    for step in range(1, steps + 1):
        upto = step * len(places) // steps
        for place in places[done:upto]:
            generator = torch.Generator().manual_seed(1_000_003 * seed + place)
            for name in layers[place]:
                _shuffle(weights[name], generator)
        done = upto
        yield layers[places[done - 1]][0].rpartition(".")[0] or layers[places[done - 1]][0], copy


def _shuffle(weight: nn.Parameter, generator: torch.Generator) -> None:
    with torch.no_grad():
        order = torch.randperm(weight.numel(), generator=generator, device="cpu").to(weight.device)
        weight.copy_(weight.detach().flatten()[order].view_as(weight))

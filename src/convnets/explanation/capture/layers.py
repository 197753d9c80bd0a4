"""Layers: from a name or a role to the very call of a module."""

from __future__ import annotations

from collections.abc import Sequence

from convnets.errors import InputError, UnknownNameError
from convnets.explanation.capture.calls import Calls, LayerCall

__all__ = ["ROLES", "choose_layers", "last_maps", "stages"]

ROLES = ("last_maps", "stages")
"""`last_maps`: the last layer with feature maps of several positions. `stages`: the last layer of each map size."""


def last_maps(calls: Calls) -> LayerCall:
    """The last call whose maps N×C×H×W, of more than one position, lead to the logits.

    Raises InputError for a network without feature maps.
    """
    found = [call for call in calls.all if call.has_maps and call.counts]
    if not found:
        raise InputError(
            f"{calls.network} has no layer with feature maps of several positions that lead to its logits; choose a "
            "convolutional network, or a method that needs no maps, such as gradient"
        )
    return found[-1]


def stages(calls: Calls) -> list[LayerCall]:
    """The last call of each map size, in the order in which they end: where the maps are about to shrink."""
    last_maps(calls)
    of_size = {call.shape[2:]: call for call in calls.all if call.has_maps and call.counts and call.shape}
    places = {call: place for place, call in enumerate(calls.all)}
    return sorted(of_size.values(), key=lambda call: places[call])


def choose_layers(calls: Calls, layers: str | Sequence[str]) -> list[LayerCall]:
    """The calls that `layers` mean: names of modules (`stage4`), of one of several calls (`relu (2)`), or ROLES.

    Raises UnknownNameError for a name that is not there and InputError for a module that does not run, is called
    several times, or gives something other than one tensor.
    """
    found: dict[str, LayerCall] = {}
    for layer in [layers] if isinstance(layers, str) else layers:
        if layer == "stages":
            found.update({call.name: call for call in stages(calls)})
        else:
            call = last_maps(calls) if layer == "last_maps" else _named(calls, layer)
            found[call.name] = call
    return list(found.values())


def _named(calls: Calls, layer: str) -> LayerCall:
    by_name = {call.name: call for call in calls.all}
    if layer not in by_name:
        several = [call.name for call in calls.all if call.path == layer]
        if several:
            raise InputError(
                f"{layer} is called {len(several)} times; choose one call: {', '.join(map(repr, several[:6]))}"
            )
        raise UnknownNameError("layer", layer, [*ROLES, *by_name], "it must be a module that runs")
    call = by_name[layer]
    if call.shape is None:
        raise InputError(f"{layer} ({call.kind}) does not give one tensor; choose a layer in it that does")
    return call

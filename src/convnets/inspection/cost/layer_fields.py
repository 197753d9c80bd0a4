"""The receptive field of each row of a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from convnets.inspection.cost.layer_cost import LayerCost
from convnets.inspection.receptive_field.fields import ReceptiveField, receptive_fields
from convnets.inspection.running.preserve_state import preserve_state, put_meta_tensors_in

__all__ = ["with_fields"]


def with_fields(
    network: nn.Module, image: tuple[int, ...], layers: Sequence[LayerCost]
) -> tuple[LayerCost, ...]:
    """The rows with the field of what each gives, for an image of C×H×W; as they were where it cannot be told.

    A network without an axis to speak of (C×H×W or C×L has one), or that looks at values, has no fields.
    """
    if len(image) < 2:
        return tuple(layers)
    try:
        with preserve_state(network):
            put_meta_tensors_in(network)
            found = receptive_fields(network, image)
    except Exception:  # noqa: BLE001  a column beside the others: whatever tracing stumbles over must not cost them
        return tuple(layers)
    by_name = {field.name: field for field in found}
    calls = Counter(layer.name for layer in layers)
    return tuple(_with_field(layer, by_name, found, calls[layer.name]) for layer in layers)


def _with_field(
    layer: LayerCost, by_name: dict[str, ReceptiveField], found: Sequence[ReceptiveField], calls: int
) -> LayerCost:
    own = by_name.get(layer.name if layer.call < 2 else f"{layer.name} ({layer.call})")
    if own is None and calls == 1:  # a block: what its last operation sees
        own = next((field for field in reversed(found) if field.name.startswith(f"{layer.name}.")), None)
    if own is None or layer.call == 0 or not layer.name:
        return layer
    size = tuple(axis.size for axis in own.axes)
    return replace(layer, field_size=size, field_exceeds=own.exceeds, field_exact=own.exact)

"""Parts: a summary collapsed to the parts of which the book, or the network's own code, says that it consists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from convnets.inspection.cost.layer_cost import LayerCost

__all__ = ["top_level_parts"]

# blocks whose layers count as parts, by the name of the network; most networks have none
_OPENED: dict[str, tuple[str, ...]] = {
    "lenet": ("convolutions", "hidden"),
    "lenet_bn": ("convolutions", "hidden"),
    "alexnet_d2l": ("convolutions", "hidden"),
    "vgg11": ("blocks", "hidden"),
    "vgg11_quarter": ("blocks", "hidden"),
    "nin": ("blocks",),
    "mlp": ("hidden",),
    "alexnet": ("convolutions", "hidden"),
    **{f"densenet{depth}": ("trunk",) for depth in (121, 161, 169, 201)},
}
for _name in ("vgg13", "vgg16", "vgg19", *(f"vgg{depth}_bn" for depth in (11, 13, 16, 19))):
    _OPENED[_name] = _OPENED["vgg11"]
# parts that follow each other and are one to the book: blocks 3, 4 and 5 of GoogLeNet
_JOINED: dict[str, tuple[tuple[str, ...], ...]] = {
    "googlenet": (
        ("inception.3a", "inception.3b", "halve"),
        ("inception.4a", "inception.4b", "inception.4c", "inception.4d", "inception.4e", "halve"),
        ("inception.5a", "inception.5b", "pool", "flatten"),
    ),
}


def top_level_parts(network: str, layers: Sequence[LayerCost]) -> tuple[LayerCost, ...]:
    """Rows for the parts of `network`; their parameters, work and shares add up to those of all layers.

    A part is what the network itself calls. Layers that keep the shape and multiply no matrices (activations, batch
    norm, dropout) go with the part before them.
    """
    groups: list[list[LayerCost]] = []
    for layer in _cut(network, layers):
        if groups and _goes_along(layer):
            groups[-1].append(layer)
        else:
            groups.append([layer])
    return tuple(_one(group) for group in _join(groups, _JOINED.get(network, ())))


def _cut(network: str, layers: Sequence[LayerCost]) -> Iterator[LayerCost]:
    opened = _OPENED.get(network, ())
    inside = False
    for layer in layers:
        if layer.depth == 1:
            inside = layer.is_block and layer.name in opened
        if (layer.depth == 1 and not inside) or (layer.depth == 2 and inside):
            yield layer


def _goes_along(layer: LayerCost) -> bool:
    keeps_shape = layer.output_shape is not None and layer.output_shape == layer.input_shape
    return keeps_shape and not (layer.is_block or layer.macs)


def _join(groups: list[list[LayerCost]], joined: Sequence[Sequence[str]]) -> Iterator[list[LayerCost]]:
    place = 0
    while place < len(groups):
        names = [group[0].name for group in groups[place:]]
        count = next((len(each) for each in joined if names[: len(each)] == list(each)), 1)
        yield [layer for group in groups[place : place + count] for layer in group]
        place += count


def _one(group: list[LayerCost]) -> LayerCost:
    first, last = group[0], group[-1]
    if len(group) == 1:
        return replace(first, depth=1)
    runs = [(kind, len(list(same))) for kind, same in groupby(layer.kind for layer in group)]
    kept = [layer.kept_bytes for layer in group if layer.kept_bytes is not None]
    return LayerCost(
        name=f"{first.name} … {last.name}",
        kind=" + ".join(kind if count == 1 else f"{count} {kind}" for kind, count in runs),
        settings=first.settings,
        depth=1,
        call=first.call,
        is_block=True,
        input_shape=first.input_shape,
        output_shape=last.output_shape,
        parameters=sum(layer.parameters for layer in group),
        trainable_parameters=sum(layer.trainable_parameters for layer in group),
        shared_parameters=sum(layer.shared_parameters for layer in group),
        macs=sum(layer.macs for layer in group),
        bias_operations=sum(layer.bias_operations for layer in group),
        norm_operations=sum(layer.norm_operations for layer in group),
        pooling_operations=sum(layer.pooling_operations for layer in group),
        elementwise_operations=sum(layer.elementwise_operations for layer in group),
        share=sum(layer.share for layer in group),
        peak_bytes=max(layer.peak_bytes for layer in group),
        kept_bytes=sum(kept) if kept else None,
        field_size=last.field_size,
        field_exceeds=last.field_exceeds,
        field_exact=last.field_exact,
    )

"""Unit facts: one number of a map with its arithmetic, what it sees of the image, and how strongly."""

from __future__ import annotations

import shlex
from typing import Any

from convnets.errors import InputError
from convnets.explanation.inside.operation_arithmetic import (
    followers,
    operation_arithmetic,
    softmax_arithmetic,
)
from convnets.inspection.graph.network_graph import TensorSource
from convnets.inspection.receptive_field.effective_field import effective_field
from convnets.studio.library import Opened
from convnets.studio.workplace import Workplace, code

__all__ = ["effective_facts", "unit_facts"]

_TERMS = 4096  # numbers of windows that are sent; of a larger sum the channels that count most


def unit_facts(place: Workplace, opened: Opened, node: int, unit: tuple[int, ...]) -> dict[str, Any]:
    """The arithmetic of `unit` of the operation `node`, of what follows it, and the pixels that it sees."""
    graph = place.library.graph(opened.run.name)
    if not 0 <= node < len(graph.nodes):
        raise InputError(f"operation {node}; the graph has 0 to {len(graph.nodes) - 1}")
    network, image = opened.model.network, opened.input
    found: dict[str, Any] = {"node": node, "unit": list(unit), "name": graph.nodes[node].name, "steps": []}
    found["inputs"] = [source.node for source in graph.nodes[node].inputs]
    chain = [graph.nodes[node], *followers(graph, graph.nodes[node])]
    for each in chain:
        try:
            values = place.library.values(opened, each.index)
            worked = operation_arithmetic(network, image, each.index, unit, graph=graph, values=values)
        except InputError as error:
            if each.index == node and graph.nodes[node].function != "input":
                found["problem"] = str(error)
            break
        found["steps"].append(_short(worked.to_dict()))
    if chain[-1].index == graph.outputs[0].node and len(graph.nodes[node].shapes[0]) == 2:
        source = TensorSource(graph.outputs[0].node)
        logits = place.library.values(opened, source.node)[source][0]
        found["steps"].append(softmax_arithmetic(logits, unit[0], opened.model.classes).to_dict())
    field = next((each for each in place.library.fields(opened.run.name) if each.node == node), None)
    if field is not None and len(unit) == 3 and len(field.axes) == 2:
        spans = [
            axis.spans[place_ if len(axis.spans) > 1 else 0]
            for axis, place_ in zip(field.axes, unit[1:], strict=True)
        ]
        (top, bottom), (left, right) = spans
        found["field"] = {
            "box": [top, bottom + 1, left, right + 1],
            "size": [axis.size for axis in field.axes],
            "exact": field.exact,
        }
    found["code"] = code(
        _python(opened, graph.nodes[node].name, node, unit), _command(opened, graph, node, unit)
    )
    return found


def _short(worked: dict[str, Any]) -> dict[str, Any]:
    """Windows of at most so many numbers: of wider sums the channels whose products count most."""
    windows, kernel = worked["windows"], worked["kernel"]
    if windows is None or kernel is None:
        return worked
    size = len(windows[0]) * len(windows[0][0])
    keep = max(1, _TERMS // size)
    if len(windows) <= keep:
        return worked
    values = [abs(part["value"]) for part in worked["parts"]]
    order = sorted(sorted(range(len(windows)), key=lambda index: -values[index])[:keep])
    return {
        **worked,
        "windows": [windows[index] for index in order],
        "kernel": [kernel[index] for index in order],
        "channels": [worked["channels"][index] for index in order],
    }


def _python(opened: Opened, name: str, node: int, unit: tuple[int, ...]) -> str:
    path = str(opened.run.path)
    folder = path + "/model" if opened.epoch is None else str(opened.run.epoch_folder(opened.epoch))
    return f"""
from convnets import load_model
from convnets.explanation.inside.operation_arithmetic import operation_arithmetic
from convnets.explanation.sample import pixels_of
from convnets.serving.model_and_images import open_model_and_images
images = open_model_and_images({path!r}, part={opened.part!r}).images
model = load_model({folder!r})
image = model.preprocess(pixels_of(images.subset([{opened.index}]), model.preprocess))
found = operation_arithmetic(model.network, image, {node}, {unit!r})  # {name}
for part in found.parts:
    print(part.label, part.value)
print(found.formula, "=", found.result, "and the network gave", found.given)
"""


def _command(opened: Opened, graph: Any, node: int, unit: tuple[int, ...]) -> str | None:
    if graph.nodes[node].function not in ("conv2d", "linear") or opened.epoch is not None:
        return None
    words = ",".join(map(str, unit))
    layer = shlex.quote(graph.nodes[node].name)
    path = shlex.quote(str(opened.run.path))
    return (
        f"convnets features {path} --layer {layer} --unit {words} --index {opened.index} --part {opened.part}"
    )


def effective_facts(
    place: Workplace, name: str, epoch: int | None, node: int, unit: tuple[int, ...]
) -> dict[str, Any]:
    """How strongly each pixel moves the unit's position, on average over random images."""
    graph, model = place.library.graph(name), place.library.model(name, epoch)
    if len(unit) != 3:
        raise InputError(f"{graph.nodes[node].name} gives a vector, which has no place in the image")
    shape = tuple(graph.nodes[0].shapes[0][1:])
    found = effective_field(model.network, graph.nodes[node].name, shape, unit=unit[1:])
    folder = place.path(name) / "model" if epoch is None else place.library.run(name).epoch_folder(epoch)
    python = f"""
import convnets
model = convnets.load_model({str(folder)!r})
found = convnets.effective_field(model.network, {graph.nodes[node].name!r}, {shape!r}, unit={unit[1:]!r})
print(found.box, found.side_of(0.95))
"""
    return {
        "weights": found.weights.tolist(),
        "box": list(found.box),
        "sides": {str(share): found.side_of(share) for share in (0.5, 0.95)},
        "images": found.images,
        "code": code(python),
    }

"""Network: the graph, and what flows through it for one image."""

from __future__ import annotations

import shlex
from typing import Any

import torch
from fastapi import APIRouter, Request
from starlette.responses import Response
from torch import Tensor

from convnets.inspection.drawing.placed_graph import placed_graph
from convnets.inspection.graph.network_graph import TensorSource
from convnets.studio.answers import array_answer, json_answer
from convnets.studio.desk import Wanted
from convnets.studio.library import Opened
from convnets.studio.workplace import Asked, Workplace, code

__all__ = ["make_network_routes", "opening_lines"]

_THUMBNAIL = 24  # pixels that maps are brought to, at most
_CHANNELS = 512  # maps that are sent of one operation


def make_network_routes(place: Workplace) -> APIRouter:
    """The graph, and the maps of its operations."""
    router = APIRouter()

    @router.get("/network/graph")
    async def graph(
        request: Request, run: str, depth: int | None = None, unfold: bool = False, closed: str = ""
    ) -> Response:
        shut = [each for each in closed.split(",") if each]
        return json_answer(
            await place.desk.quick(request, lambda _: _graph(place, run, depth, shut, unfold=unfold))
        )

    @router.get("/network/thumbnails")
    async def thumbnails(request: Request, where: Asked) -> Response:
        def made(_: Wanted) -> Response:
            return array_answer(_thumbnails(place, place.open(where)))

        return await place.desk.quick(request, made)

    @router.get("/network/maps")
    async def maps(request: Request, where: Asked, node: int) -> Response:
        def made(_: Wanted) -> Response:
            values = _values(place, place.open(where), node)
            return array_answer(values[:_CHANNELS], channels=len(values))

        return await place.desk.quick(request, made)

    @router.get("/network/channels")
    async def channels(request: Request, where: Asked, node: int) -> Response:
        return json_answer(
            await place.desk.quick(request, lambda _: _channels(place, place.open(where), node))
        )

    return router


def _graph(
    place: Workplace, name: str, depth: int | None, closed: list[str], *, unfold: bool
) -> dict[str, Any]:
    library = place.library
    graph, model = library.graph(name), library.model(name)
    costs = {row.name: row for row in library.summary(name).layers}
    fields = {field.node: field for field in library.fields(name)}
    nodes = []
    for node in graph.nodes:
        cost, field = costs.get(node.name), fields.get(node.index)
        nodes.append(
            {
                "index": node.index,
                "name": node.name,
                "kind": node.kind,
                "family": node.family,
                "function": node.function,
                "shape": list(node.shapes[0][1:]),
                "inputs": [source.node for source in node.inputs],
                "parameters": node.parameters,
                "macs": cost.macs if cost is not None and not cost.is_block else 0,
                "field": None if field is None else [axis.size for axis in field.axes],
                "settings": {key: str(value) for key, value in node.settings},
            }
        )
    path = str(place.path(name))
    python = f"""
import convnets
model = convnets.load_model({path + "/model"!r})
size = (model.preprocess.channels, model.preprocess.size, model.preprocess.size)
print(convnets.inspect(model.network, size))
for field in convnets.receptive_fields(model.network, size):
    print(field)
"""
    return {
        **placed_graph(graph, depth=depth, unfold=unfold, closed=closed),
        "network": graph.network,
        "parameters": sum(weight.numel() for weight in model.network.parameters()),
        "macs": library.summary(name).macs,
        "nodes": nodes,
        "output": graph.outputs[0].node,
        "notes": list(graph.notes),
        "classes": list(model.classes),
        "size": model.preprocess.size,
        "code": code(python, f"convnets summary {shlex.quote(path)}"),
    }


def _values(place: Workplace, opened: Opened, node: int) -> Tensor:
    """C×H×W, or D, of what an operation gives for the image."""
    return place.library.values(opened, node)[TensorSource(node)][0].detach().float().cpu()


def _thumbnails(place: Workplace, opened: Opened) -> Tensor:
    """uint8 nodes×T×T: of each operation the mean |value| over its channels, each from its least to its largest."""
    tiles, values = [], place.library.values(opened)
    for node in place.library.graph(opened.run.name).nodes:
        mean = values[TensorSource(node.index)][0].detach().float().cpu().abs()
        if mean.ndim == 3:
            mean = mean.mean(0)
        else:  # a vector as a square of its numbers
            side = max(1, int(mean.numel() ** 0.5))
            mean = mean.flatten()[: side * side].reshape(side, -1)
        mean = torch.nn.functional.adaptive_avg_pool2d(mean[None], (_THUMBNAIL, _THUMBNAIL))[0]
        low, high = float(mean.min()), float(mean.max())
        tiles.append(((mean - low) / (high - low or 1.0) * 255).round().to(torch.uint8))
    return torch.stack(tiles)


def _channels(place: Workplace, opened: Opened, node: int) -> dict[str, Any]:
    graph = place.library.graph(opened.run.name)
    values = _values(place, opened, node).double()
    flat = values.flatten(1) if values.ndim > 1 else values[:, None]
    path = str(opened.run.path)
    python = f"""
from convnets.explanation.inside.node_values import graph_for, node_values
from convnets.inspection.graph.network_graph import TensorSource
from convnets.serving.model_and_images import open_model_and_images
{opening_lines(opened)}
source = TensorSource({node})  # {graph.nodes[node].name}
values = node_values(model.network, image, [source])[source][0].double().flatten(1)
for channel, row in enumerate(values):
    print(channel, float(row.mean()), float(row.min()), float(row.max()))
"""
    layer = graph.nodes[node].name
    command = f"convnets features {shlex.quote(path)} --layer {shlex.quote(layer)} --index {opened.index}"
    return {
        "node": node,
        "name": graph.nodes[node].name,
        "shape": list(values.shape),
        "mean": flat.mean(1).tolist(),
        "std": flat.std(1, unbiased=False).tolist(),
        "low": flat.amin(1).tolist(),
        "high": flat.amax(1).tolist(),
        "zeros": (flat == 0).double().mean(1).tolist(),
        "code": code(python, f"{command} --part {opened.part}"),
    }


def opening_lines(opened: Opened) -> str:
    """Lines that open the model and the image."""
    path = str(opened.run.path)
    folder = path if opened.epoch is None else str(opened.run.epoch_folder(opened.epoch))
    lines = [
        "from convnets import load_model",
        "from convnets.explanation.sample import pixels_of",
        f"images = open_model_and_images({path!r}, part={opened.part!r}).images",
        f"model = load_model({folder + '/model' if opened.epoch is None else folder!r})",
        f"image = model.preprocess(pixels_of(images.subset([{opened.index}]), model.preprocess))",
    ]
    return "\n".join(lines)

"""Network: the graph and what flows through it for one image, down to the arithmetic of one unit; and what if."""

from __future__ import annotations

import shlex
from typing import Any

import torch
from fastapi import APIRouter, Body, Request
from starlette.responses import Response
from torch import Tensor

from convnets.errors import InputError
from convnets.explanation.inside.concat_lens import concat_lens
from convnets.explanation.inside.mixing import mixing_matrices
from convnets.explanation.inside.node_values import node_values
from convnets.explanation.inside.patches import find_patches
from convnets.explanation.inside.residual_lens import residual_lens
from convnets.explanation.sample import spread_sample
from convnets.inspection.drawing.placed_graph import placed_graph
from convnets.inspection.graph.network_graph import NetworkGraph, TensorSource
from convnets.studio.answers import array_answer, json_answer
from convnets.studio.desk import Wanted
from convnets.studio.library import Opened
from convnets.studio.unit_facts import effective_facts, unit_facts
from convnets.studio.what_if import what_if
from convnets.studio.workplace import Workplace, code

__all__ = ["make_network_routes"]

_THUMBNAIL = 24  # pixels that maps are brought to, at most
_CHANNELS = 512  # maps that are sent of one operation


def make_network_routes(place: Workplace) -> APIRouter:
    """Graph, maps, units, lenses and changes."""
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
    async def thumbnails(
        request: Request, run: str, epoch: int | None = None, part: str | None = None, image: int = 0
    ) -> Response:
        def made(_: Wanted) -> Response:
            opened = place.library.open(run, epoch, part, image)
            return array_answer(_thumbnails(place.library.graph(run), opened))

        return await place.desk.quick(request, made)

    @router.get("/network/maps")
    async def maps(
        request: Request,
        run: str,
        node: int,
        epoch: int | None = None,
        part: str | None = None,
        image: int = 0,
    ) -> Response:
        def made(_: Wanted) -> Response:
            values = _values(place.library.graph(run), place.library.open(run, epoch, part, image), node)
            return array_answer(values[:_CHANNELS], channels=len(values))

        return await place.desk.quick(request, made)

    @router.get("/network/channels")
    async def channels(
        request: Request,
        run: str,
        node: int,
        epoch: int | None = None,
        part: str | None = None,
        image: int = 0,
    ) -> Response:
        return json_answer(
            await place.desk.quick(
                request, lambda _: _channels(place, place.library.open(run, epoch, part, image), node)
            )
        )

    @router.get("/network/unit")
    async def unit(
        request: Request,
        run: str,
        node: int,
        unit: str,
        epoch: int | None = None,
        part: str | None = None,
        image: int = 0,
    ) -> Response:
        chosen = _unit(unit)
        return json_answer(
            await place.desk.quick(
                request,
                lambda _: unit_facts(place, place.library.open(run, epoch, part, image), node, chosen),
            )
        )

    @router.get("/network/effective")
    async def effective(
        request: Request, run: str, node: int, unit: str, epoch: int | None = None
    ) -> Response:
        chosen = _unit(unit)
        return json_answer(
            await place.desk.long(request, lambda _: effective_facts(place, run, epoch, node, chosen))
        )

    _add_findings(router, place)
    return router


def _add_findings(router: APIRouter, place: Workplace) -> None:
    @router.get("/network/patches")
    async def patches(
        request: Request,
        run: str,
        node: int,
        channel: int,
        epoch: int | None = None,
        part: str | None = None,
        images: int = 2000,
    ) -> Response:
        return json_answer(
            await place.desk.long(
                request, lambda wanted: _patches(place, run, epoch, part, node, channel, images, wanted)
            )
        )

    @router.get("/network/lens")
    async def lens(
        request: Request,
        run: str,
        kind: str,
        epoch: int | None = None,
        part: str | None = None,
        image: int = 0,
    ) -> Response:
        return json_answer(
            await place.desk.quick(
                request, lambda _: _lens(place.library.open(run, epoch, part, image), kind)
            )
        )

    @router.post("/network/what-if")
    async def changed(request: Request, given: dict[str, Any] = Body()) -> Response:  # noqa: B008
        return json_answer(await place.desk.quick(request, lambda _: what_if(place, given)))


def _unit(words: str) -> tuple[int, ...]:
    try:
        return tuple(int(each) for each in words.split(","))
    except ValueError:
        raise InputError(f"unit is {words[:40]!r}; allowed: numbers with commas, such as 3,10,12") from None


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


def _values(graph: NetworkGraph, opened: Opened, node: int) -> Tensor:
    """C×H×W, or D, of what an operation gives for the image."""
    if not 0 <= node < len(graph.nodes):
        raise InputError(f"operation {node}; the graph has 0 to {len(graph.nodes) - 1}")
    source = TensorSource(node)
    return node_values(opened.model.network, opened.input, [source])[source][0].detach().float().cpu()


def _thumbnails(graph: NetworkGraph, opened: Opened) -> Tensor:
    """uint8 nodes×T×T: of each operation the mean |value| over its channels, each from its least to its largest."""
    sources = [TensorSource(node.index) for node in graph.nodes]
    values = node_values(opened.model.network, opened.input, sources)
    tiles = []
    for source in sources:
        mean = values[source][0].detach().float().abs()
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
    values = _values(graph, opened, node).double()
    flat = values.flatten(1) if values.ndim > 1 else values[:, None]
    path = str(opened.run.path)
    python = f"""
from convnets.explanation.inside.node_values import graph_for, node_values
from convnets.inspection.graph.network_graph import TensorSource
from convnets.serving.model_and_images import open_model_and_images
{_opening(opened)}
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


def _opening(opened: Opened) -> str:
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


def _patches(
    place: Workplace,
    name: str,
    epoch: int | None,
    part: str | None,
    node: int,
    channel: int,
    count: int,
    wanted: Wanted,
) -> dict[str, Any]:
    library = place.library
    graph, model = library.graph(name), library.model(name, epoch)
    chosen, images = library.part(name, part)
    layer = graph.nodes[node].name
    key = ("patches", *library.version(name, epoch), chosen, layer, channel, count)

    def find() -> dict[str, Any]:
        sample = spread_sample(images, count)
        places = (
            range(len(images))
            if len(sample) == len(images)
            else [n * len(images) // count for n in range(count)]
        )
        found = find_patches(
            model.network, sample, model.preprocess, layer, units=[channel], count=9, progress=wanted.progress
        )
        rows = [
            {
                "image": places[each.image],
                "value": each.value,
                "position": list(each.position),
                "box": list(each.box),
                "label": each.label,
            }
            for each in found.patches[channel]
        ]
        path = shlex.quote(str(place.path(name)))
        command = f"convnets patches {path} --layer {shlex.quote(layer)} --units {channel} --images {count}"
        python = f"""
from convnets import load_model
from convnets.explanation.inside.patches import find_patches
from convnets.explanation.sample import spread_sample
from convnets.serving.model_and_images import open_model_and_images
images = spread_sample(open_model_and_images({str(place.path(name))!r}, part={chosen!r}).images, {count})
model = load_model({str(place.path(name)) + "/model"!r})
found = find_patches(model.network, images, model.preprocess, {layer!r}, units=[{channel}])
for patch in found.patches[{channel}]:
    print(patch.value, patch.label, patch.position)
"""
        return {"patches": rows, "part": chosen, "images": len(sample), "code": code(python, command)}

    return library.results.get(key, find)


def _lens(opened: Opened, kind: str) -> dict[str, Any]:
    network, image = opened.model.network, opened.input
    if kind == "mixing":
        matrices = mixing_matrices(network)
        rows = [
            {
                "layer": each.layer,
                "shape": list(each.weights.shape),
                "rank": each.effective_rank,
                "weights": each.weights[:64, :64].tolist(),
            }
            for each in matrices
        ]
        return {"kind": kind, "matrices": rows, "code": code(_lens_code(opened, "mixing_matrices", ""))}
    if kind == "residual":
        found = residual_lens(network, image).to_dict()
    elif kind == "concat":
        found = concat_lens(network, image).to_dict()
    else:
        raise InputError(f"lens is {kind[:40]!r}; allowed: residual, concat, mixing")
    command = f"convnets features {shlex.quote(str(opened.run.path))} --lens {kind} --index {opened.index}"
    words = _lens_code(opened, f"{kind}_lens", ", image")
    return {"kind": kind, **found, "code": code(words, f"{command} --part {opened.part}")}


def _lens_code(opened: Opened, function: str, argument: str) -> str:
    module = "mixing" if function == "mixing_matrices" else function
    return f"""
from convnets.explanation.inside.{module} import {function}
from convnets.serving.model_and_images import open_model_and_images
{_opening(opened)}
print({function}(model.network{argument}))
"""

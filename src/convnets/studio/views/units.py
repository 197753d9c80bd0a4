"""Units: one number with its arithmetic and what it sees, best patches, lenses; and what if."""

from __future__ import annotations

import shlex
from typing import Any

from fastapi import APIRouter, Body, Request
from starlette.responses import Response

from convnets.errors import InputError
from convnets.explanation.inside.concat_lens import concat_lens
from convnets.explanation.inside.mixing import mixing_matrices
from convnets.explanation.inside.patches import find_patches
from convnets.explanation.inside.residual_lens import residual_lens
from convnets.explanation.sample import spread_sample
from convnets.studio.answers import json_answer
from convnets.studio.desk import Wanted
from convnets.studio.findings.unit_facts import effective_facts, unit_facts
from convnets.studio.findings.what_if import what_if
from convnets.studio.library import Opened
from convnets.studio.views.network import opening_lines
from convnets.studio.workplace import Asked, Where, Workplace, code

__all__ = ["make_unit_routes"]


def make_unit_routes(place: Workplace) -> APIRouter:
    """What is below a layer: units and their patches; and what would be with another layer."""
    router = APIRouter()

    @router.get("/network/unit")
    async def unit(request: Request, where: Asked, node: int, unit: str) -> Response:
        chosen = _unit(unit)
        return json_answer(
            await place.desk.quick(request, lambda _: unit_facts(place, place.open(where), node, chosen))
        )

    @router.get("/network/effective")
    async def effective(request: Request, where: Asked, node: int, unit: str) -> Response:
        chosen = _unit(unit)
        return json_answer(
            await place.desk.long(
                request, lambda _: effective_facts(place, where.run, where.epoch, node, chosen)
            )
        )

    @router.get("/network/patches")
    async def patches(
        request: Request, where: Asked, node: int, channel: int, images: int = 2000
    ) -> Response:
        return json_answer(
            await place.desk.long(
                request, lambda wanted: _patches(place, where, node, channel, images, wanted)
            )
        )

    @router.get("/network/lens")
    async def lens(request: Request, where: Asked, kind: str) -> Response:
        return json_answer(await place.desk.quick(request, lambda _: _lens(place.open(where), kind)))

    @router.post("/network/what-if")
    async def changed(request: Request, given: dict[str, Any] = Body()) -> Response:  # noqa: B008
        return json_answer(await place.desk.quick(request, lambda _: what_if(place, given)))

    return router


def _unit(words: str) -> tuple[int, ...]:
    try:
        return tuple(int(each) for each in words.split(","))
    except ValueError:
        raise InputError(f"unit is {words[:40]!r}; allowed: numbers with commas, such as 3,10,12") from None


def _patches(
    place: Workplace, where: Where, node: int, channel: int, count: int, wanted: Wanted
) -> dict[str, Any]:
    name, epoch, part = where.run, where.epoch, where.part
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
{opening_lines(opened)}
print({function}(model.network{argument}))
"""

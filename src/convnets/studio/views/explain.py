"""Explain: why a class, and not that one; over stages and epochs; whether to believe it; and painting."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from convnets.data.images.opening import open_picture
from convnets.errors import InputError
from convnets.explanation.attribution.attribution import Attribution
from convnets.studio.answers import array_answer, json_answer, png_answer
from convnets.studio.desk import Wanted
from convnets.studio.findings.explained_image import (
    Inquiry,
    class_probabilities,
    curves_of,
    explain_image,
    methods_and_layers,
    over_epochs,
    picture_at_share,
    python_of,
    under_randomization,
)
from convnets.studio.views.search import drawn_pixels
from convnets.studio.workplace import Asked, Where, Workplace, code

__all__ = ["make_explain_routes"]

Inquired = Annotated[Inquiry, Depends()]


def make_explain_routes(place: Workplace) -> APIRouter:
    """Maps of one picture."""
    router = APIRouter()

    @router.get("/explain/choices")
    async def choices(request: Request, where: Asked) -> Response:
        return json_answer(await place.desk.quick(request, lambda _: methods_and_layers(place.open(where))))

    @router.get("/explain")
    async def explained(request: Request, where: Asked, inquiry: Inquired) -> Response:
        return json_answer(await place.desk.quick(request, lambda _: _facts(place, where, inquiry)))

    @router.get("/explain/map")
    async def maps(request: Request, where: Asked, inquiry: Inquired) -> Response:
        def made(_: Wanted) -> Response:
            return array_answer(np.stack([each.evidence for each in _attributions(place, where, inquiry)]))

        return await place.desk.quick(request, made)

    @router.get("/explain/epochs")
    async def epochs(request: Request, where: Asked, inquiry: Inquired) -> Response:
        def made(wanted: Wanted) -> Response:
            found = over_epochs(place.library, place.open(where), inquiry, wanted)
            return array_answer(found["maps"], target=found["target"], epochs=found["epochs"])

        return await place.desk.long(request, made)

    _add_belief(router, place)
    _add_painting(router, place)
    return router


def _add_belief(router: APIRouter, place: Workplace) -> None:
    @router.get("/explain/trust")
    async def trust(request: Request, where: Asked, inquiry: Inquired, steps: int = 6) -> Response:
        def made(wanted: Wanted) -> Response:
            found = under_randomization(place.open(where), inquiry, steps, wanted)
            facts = {name: found[name] for name in ("target", "layers", "correlations")}
            return array_answer(found["maps"], **facts)

        return await place.desk.long(request, made)

    @router.get("/explain/curves")
    async def curves(request: Request, where: Asked, inquiry: Inquired) -> Response:
        return json_answer(await place.desk.long(request, lambda _: _curves(place, where, inquiry)))

    @router.get("/explain/curve.png")
    async def at_share(
        request: Request, where: Asked, inquiry: Inquired, share: float, inserted: bool = False
    ) -> Response:
        return png_answer(
            await place.desk.quick(
                request, lambda _: picture_at_share(place.open(where), inquiry, share, inserted=inserted)
            )
        )


def _add_painting(router: APIRouter, place: Workplace) -> None:
    @router.post("/explain/paint")
    async def paint(request: Request, where: Asked) -> Response:
        body = await request.body()

        def judged(_: Wanted) -> dict[str, Any]:
            opened = place.open(where)
            preprocess = opened.model.preprocess
            pixels = drawn_pixels(body, preprocess.channels, preprocess.size)
            return {"probabilities": class_probabilities(opened, preprocess(pixels[None]))}

        return json_answer(await place.desk.quick(request, judged))

    @router.post("/explain/upload")
    async def upload(request: Request, run: str) -> Response:
        body = await request.body()

        def prepared(_: Wanted) -> Response:
            preprocess = place.library.model(run).preprocess
            if not body:
                raise InputError("the picture is empty; choose a file")
            picture = open_picture(body, "the picture", max_pixels=place.limits.pixels)
            stored = preprocess.store(picture)[None]
            fitted = (preprocess.fit(preprocess.to_unit(stored))[0] * 255).round().clamp(0, 255)
            return array_answer(fitted.numpy().astype(np.uint8))

        return await place.desk.quick(request, prepared)


def _attributions(place: Workplace, where: Where, inquiry: Inquiry) -> list[Attribution]:
    opened = place.open(where)
    key = ("attribution", *place.library.version(where.run, where.epoch), opened.part, opened.index, inquiry)
    return place.library.results.get(
        key, lambda: explain_image(opened, inquiry), size=lambda made: sum(4 * each.map.size for each in made)
    )


def _facts(place: Workplace, where: Where, inquiry: Inquiry) -> dict[str, Any]:
    opened, found = place.open(where), _attributions(place, where, inquiry)
    first = found[0]
    return {
        "target": first.target,
        "contrast": first.contrast,
        "words": first.words,
        "layers": [each.layer for each in found],
        "shapes": [list(each.native.shape) for each in found],
        "sums": [float(each.map.sum()) for each in found],
        "low": float(first.map.min()),
        "high": float(first.map.max()),
        "keeps_positive": first.keeps_positive,
        "by_magnitude": first.by_magnitude,
        "residual": first.residual,
        "probabilities": class_probabilities(opened),
        "label": int(opened.images.labels[opened.index]),
        "code": code(python_of(opened, inquiry)),
    }


def _curves(place: Workplace, where: Where, inquiry: Inquiry) -> dict[str, Any]:
    opened = place.open(where)
    found = curves_of(opened, inquiry)
    python = (
        python_of(opened, inquiry).rstrip()
        + """
import torch
from convnets.explanation.attribution.methods import method_named
from convnets.explanation.belief.curves import deletion_and_insertion
from convnets.explanation.explain import ask
from convnets.explanation.explained import Explained
given = Explained(model.network, image, image, ("image",), model.classes)
question, _ = ask(given, method_named(found.method), found.target, None, found.layer)
curves = deletion_and_insertion(question, torch.from_numpy(found.importance)[None])
print(float(curves.deletion_area), float(curves.insertion_area))
"""
    )
    return {**found, "code": code(python)}

"""Routes: what can be asked. Short lists that call the library."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import torch
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from convnets.serving.http.pictures.bodies import FORMS, png
from convnets.serving.http.pictures.picture_model import PictureModel, Pictures
from convnets.serving.http.refusal import Refusal
from convnets.serving.http.service import Asked, Service

__all__ = ["EXPLAIN", "make_routes"]

EXPLAIN = (
    "grad-cam",
    "grad-cam++",
    "hires-cam",
    "layer-cam",
    "gradient",
    "gradient-x-input",
    "guided-backpropagation",
)
"""Methods that take a pass or two: the others take hundreds, which nobody is to wait behind."""
_AT_ONCE = 64  # pictures
_PAGE = Path(__file__).parent / "page"
_KINDS = dict.fromkeys(("page.js", "rows.js", "asking.js"), "text/javascript") | {"page.css": "text/css"}
_FILE = {"schema": {"type": "string", "format": "binary"}}
_LIST = {
    "schema": {
        "type": "object",
        "required": ["pictures"],
        "properties": {"pictures": {"type": "array", "items": {"type": "string", "format": "byte"}}},
    }
}
_FORM = {
    "schema": {
        "type": "object",
        "properties": {"pictures": {"type": "array", "items": {"type": "string", "format": "binary"}}},
    }
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": dict(zip(FORMS, (_FORM, _LIST, _FILE, _FILE, _FILE), strict=True)),
    }
}

_ROWS = {
    "schema": {
        "type": "object",
        "required": ["rows"],
        "properties": {"rows": {"type": "array", "items": {"type": "object"}}},
    }
}
_ANY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            **_BODY["requestBody"]["content"],
            "application/json": {"schema": {"oneOf": [_LIST["schema"], _ROWS["schema"]]}},
            "text/csv": {"schema": {"type": "string"}},
        },
    },
    "parameters": [
        {
            "name": "new_categories",
            "in": "query",
            "description": "of tables",
            "schema": {"type": "string", "enum": ["refuse", "other"], "default": "refuse"},
        }
    ],
}
_NOUNS = {"table": "rows of a table", "series": "series"}


def make_routes(service: Service) -> APIRouter:
    """The routes of a server."""
    router = APIRouter()
    _add_questions(router, service)
    _add_facts(router, service)
    _add_page(router)
    return router


def _add_questions(router: APIRouter, service: Service) -> None:

    @router.post(
        "/predict", summary="Class names of pictures; classes or numbers of rows", openapi_extra=_ANY
    )
    async def predict(
        request: Request, model: str | None = None, top: int = 5, deadline: float | None = None
    ) -> Any:
        """The `top` most probable classes of each picture, with calibrated probabilities where the model has them.

        Of a model of a table: `{"rows": [{"COLUMN": value, …}, …]}` or a CSV file; a category that was never learned is
        refused, or answered as an unknown one with `new_categories=other`. Of series: `{"series": [[number, …], …]}`,
        an array of numpy.save, or the steps of a long one as rows.
        """
        if top < 1:
            raise Refusal(422, f"top is {top}; allowed: 1 or more")
        async with service.asked(request, model, deadline) as asked:
            rows = await service.rows(request, asked)
            return {"model": _model(asked), "predictions": asked.model.answers(asked.sent, rows, top)}

    @router.post("/embed", summary="Vectors of pictures", openapi_extra=_BODY)
    async def embed(request: Request, model: str | None = None, deadline: float | None = None) -> Any:
        """A vector of length 1 for each picture: near vectors, like pictures."""
        _of_pictures(service, model, "embed")
        async with service.asked(request, model, deadline) as asked:
            vectors = await service.computed(request, asked, _vectors, asked)
            return {"model": _model(asked), "vectors": vectors}

    @router.post("/explain", summary="Where a class has its grounds", openapi_extra=_BODY)
    async def explain_(
        request: Request,
        model: str | None = None,
        method: str = "grad-cam",
        target: str | None = None,
        contrast: str | None = None,
        deadline: float | None = None,
    ) -> Any:
        """A map for each picture, signed, H×W; and the picture with the map over it as PNG in base64."""
        if method not in EXPLAIN:
            raise Refusal(422, f"method {method[:40]!r}; allowed here: {', '.join(EXPLAIN)}")
        _of_pictures(service, model, "explain")
        async with service.asked(request, model, deadline) as asked:
            found = await service.computed(request, asked, _explained, asked, method, target, contrast)
            return {"model": _model(asked), "explanations": found}

    @router.post("/search", summary="Images of the index that are like a picture", openapi_extra=_BODY)
    async def search(
        request: Request, model: str | None = None, k: int = 10, deadline: float | None = None
    ) -> Any:
        """The k nearest images of the index, for each picture."""
        index = service.index
        if index is None:
            raise Refusal(404, "no index is served; start the server with --index FOLDER")
        if not 1 <= k <= 1000:
            raise Refusal(422, f"k is {k}; allowed: 1 to 1000")
        async with service.asked(request, model, deadline, Pictures(index.embedder.store)) as asked:
            hits = await service.computed(request, asked, index.search_many, asked.pictures, k)
            return {"hits": [[hit.to_dict() for hit in each] for each in hits]}


def _add_facts(router: APIRouter, service: Service) -> None:
    @router.get("/models", summary="What is served")
    async def models() -> Any:
        """Name, version, network, classes and input of each model."""
        return {"models": [model.facts() for model in service.models.values()]}

    @router.get("/v2/health/live", include_in_schema=False)
    @router.get("/health/live", summary="Whether the process runs")
    async def live() -> Any:
        """Always true where it is answered."""
        return {"live": True}

    @router.get("/v2/health/ready", include_in_schema=False)
    @router.get("/health/ready", summary="Whether requests are taken")
    async def ready() -> Any:
        """503 while the server shuts down."""
        return JSONResponse({"ready": not service.batcher.draining}, 503 if service.batcher.draining else 200)

    @router.get("/metrics", summary="Numbers for Prometheus", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Prometheus' text format."""
        return Response(service.telemetry.text(), media_type="text/plain; version=0.0.4")


def _add_page(router: APIRouter) -> None:
    @router.get("/", include_in_schema=False)
    async def page() -> Response:
        return Response((_PAGE / "index.html").read_text("utf-8"), media_type="text/html")

    @router.get("/page/{name}", include_in_schema=False)
    async def part(name: str) -> Response:
        if name not in _KINDS:
            raise Refusal(404, f"no file {name[:40]!r}")
        return Response((_PAGE / name).read_text("utf-8"), media_type=_KINDS[name])


def _of_pictures(service: Service, name: str | None, path: str) -> None:
    """Raise Refusal 422 where the model is not one of pictures."""
    model = service.model(name)
    if not isinstance(model, PictureModel):
        raise Refusal(
            422, f"{model.name} answers {_NOUNS[model.facts()['examples']]}; /{path} is for pictures"
        )


def _pictured(asked: Asked) -> PictureModel:
    assert isinstance(asked.model, PictureModel)
    return asked.model


def _model(asked: Asked) -> dict[str, str]:
    return {"name": asked.model.name, "version": asked.model.version}


def _vectors(asked: Asked) -> list[list[float]]:
    parts = torch.split(torch.stack(asked.pictures), _AT_ONCE)
    found: list[list[float]] = torch.cat(
        [_pictured(asked).embedder(part, asked.sent[0].name) for part in parts]
    ).tolist()
    return found


def _explained(asked: Asked, method: str, target: str | None, contrast: str | None) -> list[dict[str, Any]]:
    model = _pictured(asked).embedder.model
    # brings Matplotlib, which the server's start need not wait for
    from convnets.explanation.explain import explain

    found = explain(model, asked.pictures, target, method, contrast=contrast)
    return [
        {**each.to_dict(), "name": sent.name, "overlay": base64.b64encode(png(each.overlay())).decode()}
        for sent, each in zip(asked.sent, found, strict=True)
    ]

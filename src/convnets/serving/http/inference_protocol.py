"""The Open Inference Protocol, version 2, as KServe and Triton speak it: health, metadata, infer in JSON and binary.

Which inputs and outputs there are says `GET /v2/models/NAME`: pictures as UINT8 N×H×W×C or BYTES N, each a picture file
(base64 in JSON); a table's columns, each a tensor of its own; series as one tensor N×C×L.
Source: https://github.com/kserve/open-inference-protocol, with its binary tensor extension.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from convnets.serving.http.refusal import Refusal
from convnets.serving.http.served_model import Loaded
from convnets.serving.http.service import Service
from convnets.serving.http.tensors import read_tensors, write_tensors

__all__ = ["make_protocol_routes"]


def make_protocol_routes(service: Service) -> APIRouter:
    """Routes under /v2."""
    from convnets import __version__

    router = APIRouter(prefix="/v2")

    @router.get("", summary="The server")
    async def server() -> Any:
        """Name, version, extensions."""
        return {"name": "convnets", "version": __version__, "extensions": ["binary_tensor_data"]}

    @router.get("/models/{name}/ready", summary="Whether a model answers")
    @router.get("/models/{name}/versions/{version}/ready", include_in_schema=False)
    async def model_ready(name: str, version: str | None = None) -> Any:
        """404 for a model or version that is not served."""
        _versioned(service, name, version)
        return {"name": name, "ready": True}

    @router.get("/models/{name}", summary="Inputs and outputs of a model")
    @router.get("/models/{name}/versions/{version}", include_in_schema=False)
    async def metadata(name: str, version: str | None = None) -> Any:
        """Shapes and types."""
        model = _versioned(service, name, version)
        return {"name": name, "versions": [model.version], "platform": "convnets", **model.tensors()}

    @router.post("/models/{name}/infer", summary="Ask a model")
    @router.post("/models/{name}/versions/{version}/infer", include_in_schema=False)
    async def infer(request: Request, name: str, version: str | None = None) -> Any:
        """Probabilities and labels, or numbers."""
        model = _versioned(service, name, version)
        async with service.admitted(request, None) as admit:
            given, inputs = await service.decoded(read_tensors, await request.body(), request.headers)
            sent = await service.decoded(model.received, inputs, service.limits, request.query_params)
            async with admit(model, sent) as asked:
                rows = await service.rows(request, asked)
                return write_tensors(model.name, model.version, given, model.outputs(sent, rows))

    return router


def _versioned(service: Service, name: str, version: str | None) -> Loaded:
    model = service.model(name)
    if version is not None and version != model.version:
        raise Refusal(404, f"no version {version[:40]!r} of {name}; served: {model.version}")
    return model

"""The Open Inference Protocol, version 2, as KServe and Triton speak it: health, metadata, infer in JSON and binary.

Input `pictures`: UINT8 N×H×W×C, or BYTES N, each a picture file (base64 in JSON). Outputs: `probabilities` FP32 N×K
and `label` BYTES N. Source: https://github.com/kserve/open-inference-protocol, with its binary tensor extension.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response

from convnets.serving.http.bodies import Sent, arrays_of, from_base64
from convnets.serving.http.refusal import Refusal
from convnets.serving.http.service import Service

__all__ = ["make_protocol_routes"]

_LENGTH = "inference-header-content-length"
_OUTPUTS = ("probabilities", "label")


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
        channels = model.predictor.preprocess.channels
        return {
            "name": name,
            "versions": [model.version],
            "platform": "convnets",
            "inputs": [{"name": "pictures", "datatype": "UINT8", "shape": [-1, -1, -1, channels]}],
            "outputs": [
                {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(model.predictor.classes)]},
                {"name": "label", "datatype": "BYTES", "shape": [-1]},
            ],
            "parameters": {"classes": list(model.predictor.classes)},
        }

    @router.post("/models/{name}/infer", summary="Ask a model")
    @router.post("/models/{name}/versions/{version}/infer", include_in_schema=False)
    async def infer(request: Request, name: str, version: str | None = None) -> Any:
        """Probabilities and labels of the pictures."""
        model = _versioned(service, name, version)
        async with service.admitted(request, None) as admit:
            asked_for, sent = read_request(await request.body(), request.headers)
            async with admit(model, sent) as asked:
                rows = await service.rows(request, asked)
        labels = [asked.model.predictor.answer("", row, 1).label or "" for row in rows]
        return write_response(model.name, model.version, asked_for, rows.numpy(), labels)

    return router


def _versioned(service: Service, name: str, version: str | None) -> Any:
    model = service.model(name)
    if version is not None and version != model.version:
        raise Refusal(404, f"no version {version[:40]!r} of {name}; served: {model.version}")
    return model


def read_request(body: bytes, headers: Mapping[str, str]) -> tuple[dict[str, Any], list[Sent]]:
    """The JSON part of a request, and its pictures. Raises Refusal 422 for what is not of the protocol."""
    length = headers.get(_LENGTH)
    if length is not None and not (length.isdigit() and int(length) <= len(body)):
        raise Refusal(
            422, f"{_LENGTH} is {length[:20]!r}; allowed: a number up to the body's {len(body)} bytes"
        )
    head, binary = (body, b"") if length is None else (body[: int(length)], body[int(length) :])
    try:
        given = json.loads(head)
    except (ValueError, RecursionError) as error:
        raise Refusal(
            422, f"the body is no JSON ({str(error)[:80]}); see the Open Inference Protocol"
        ) from None
    inputs = given.get("inputs") if isinstance(given, dict) else None
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise Refusal(422, "the request has not exactly one input; send one named pictures")
    found = inputs[0]
    shape, kind = found.get("shape"), found.get("datatype")
    if not isinstance(shape, list) or not all(type(side) is int and 0 < side < 1 << 24 for side in shape):
        raise Refusal(422, f"the shape is {str(shape)[:60]}; allowed: whole numbers above 0")
    size = _parameter(found, "binary_data_size")
    if size is not None and size != len(binary):
        raise Refusal(
            422, f"binary_data_size is {str(size)[:20]} and {len(binary)} bytes follow; they must be equal"
        )
    raw = binary if size is not None else None
    if kind == "UINT8":
        return given, arrays_of(_array(found.get("data"), shape, raw))
    if kind == "BYTES":
        return given, _files(found.get("data"), shape, raw)
    raise Refusal(422, f"datatype {str(kind)[:20]!r}; allowed: UINT8 N×H×W×C, or BYTES of picture files")


def write_response(
    name: str, version: str, given: Mapping[str, Any], rows: np.ndarray[Any, Any], labels: list[str]
) -> Response:
    """The outputs asked for, in JSON, or in binary where the request says so."""
    wanted = given.get("outputs") or [{"name": each} for each in _OUTPUTS]
    everything = bool(_parameter(given, "binary_data_output"))
    outputs: list[dict[str, Any]] = []
    tail = b""
    for each in wanted:
        output = str(each.get("name")) if isinstance(each, dict) else str(each)
        if output not in _OUTPUTS:
            raise Refusal(422, f"output {output[:40]!r}; allowed: {', '.join(_OUTPUTS)}")
        binary = _parameter(each, "binary_data")
        if output == "probabilities":
            head = {"name": output, "datatype": "FP32", "shape": list(rows.shape)}
            content, data = rows.astype("<f4").tobytes(), rows.reshape(-1).tolist()
        else:
            head = {"name": output, "datatype": "BYTES", "shape": [len(labels)]}
            content = b"".join(
                struct.pack("<I", len(word)) + word for word in (label.encode() for label in labels)
            )
            data = labels
        if everything if binary is None else binary:
            tail += content
            outputs.append({**head, "parameters": {"binary_data_size": len(content)}})
        else:
            outputs.append({**head, "data": data})
    answer: dict[str, Any] = {"model_name": name, "model_version": version, "outputs": outputs}
    if "id" in given:
        answer["id"] = str(given["id"])[:200]
    head_bytes = json.dumps(answer).encode()
    if not tail:
        return Response(head_bytes, media_type="application/json")
    return Response(
        head_bytes + tail, media_type="application/octet-stream", headers={_LENGTH: str(len(head_bytes))}
    )


def _parameter(found: Any, name: str) -> Any:
    parameters = found.get("parameters") if isinstance(found, dict) else None
    return parameters.get(name) if isinstance(parameters, dict) else None


def _array(data: Any, shape: list[int], raw: bytes | None) -> np.ndarray[Any, Any]:
    if len(shape) not in (3, 4):
        raise Refusal(422, f"the shape is {shape}; allowed: N×H×W×C or N×H×W")
    try:
        flat = np.frombuffer(raw, np.uint8) if raw is not None else np.array(data, dtype=np.int64).reshape(-1)
    except (ValueError, TypeError, OverflowError) as error:
        raise Refusal(422, f"the data are no whole numbers ({str(error)[:60]})") from None
    if flat.size != int(np.prod([float(side) for side in shape])):
        raise Refusal(422, f"{flat.size} numbers for the shape {shape}; they must fit")
    if flat.size and (flat.min() < 0 or flat.max() > 255):
        raise Refusal(422, "the data leave 0 to 255, which UINT8 holds")
    array = flat.astype(np.uint8).reshape(shape)
    return array[..., None] if array.ndim == 3 else array


def _files(data: Any, shape: list[int], raw: bytes | None) -> list[Sent]:
    if raw is None:
        if not isinstance(data, list) or not all(isinstance(each, str) for each in data):
            raise Refusal(422, "the data of BYTES are no list of texts; send picture files in base64")
        contents = [from_base64(each, place) for place, each in enumerate(data)]
    else:
        contents = []
        while raw:
            length = struct.unpack("<I", raw[:4])[0] if len(raw) >= 4 else -1
            if not 0 <= length <= len(raw) - 4:
                raise Refusal(
                    422, "the binary data of BYTES are cut off; each picture follows its length in 4 bytes"
                )
            contents.append(raw[4 : 4 + length])
            raw = raw[4 + length :]
    if shape != [len(contents)] and shape != [len(contents), 1]:
        raise Refusal(422, f"{len(contents)} pictures for the shape {shape}; they must be equal")
    return [Sent(f"picture {place}", content) for place, content in enumerate(contents)]

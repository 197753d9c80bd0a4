"""Tensors of a request: those of the Open Inference Protocol, in JSON and in its binary extension, and NumPy's."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi.responses import Response

from convnets.serving.http.refusal import Refusal

__all__ = ["SentTensor", "npy_array", "parameter", "read_tensors", "texts", "write_tensors"]

_LENGTH = "inference-header-content-length"
_NUMBERS = {
    "BOOL": "?", "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "<i1", "INT16": "<i2",
    "INT32": "<i4", "INT64": "<i8", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
_MOST_INPUTS = 10_000
Output = np.ndarray[Any, Any] | list[str]


@dataclass(frozen=True)
class SentTensor:
    """An input as it came."""

    name: str
    datatype: str
    shape: list[int]
    data: Any
    """Values of JSON; None where they came in binary."""
    raw: bytes | None

    def array(self) -> np.ndarray[Any, Any]:
        """Numbers of its type and shape. Raises Refusal 422 where they do not fit."""
        kind = _NUMBERS.get(self.datatype)
        if kind is None:
            raise Refusal(422, f"input {self.name[:40]!r}: datatype {self.datatype[:20]!r} holds no numbers")
        whole = kind[-2] in "ui"
        try:
            flat = np.frombuffer(self.raw, kind) if self.raw is not None else _flat(self.data, whole)
        except (ValueError, TypeError, OverflowError) as error:
            what = "no whole numbers" if whole else "no numbers"
            raise Refusal(422, f"the data are {what} ({str(error)[:60]})") from None
        if flat.size != int(np.prod([float(side) for side in self.shape])):
            raise Refusal(422, f"{flat.size} numbers for the shape {self.shape}; they must fit")
        if self.raw is None and whole and flat.size:
            low, high = np.iinfo(kind).min, np.iinfo(kind).max
            if flat.min() < low or flat.max() > high:
                raise Refusal(422, f"the data leave {low} to {high}, which {self.datatype} holds")
        return flat.astype(kind).reshape(self.shape)

    def contents(self) -> list[Any]:
        """The elements of BYTES: texts of JSON, or bytes. Raises Refusal 422 where they do not fit."""
        if self.raw is None:
            if not isinstance(self.data, list) or not all(isinstance(each, str) for each in self.data):
                raise Refusal(422, f"the data of BYTES are no list of texts (input {self.name[:40]!r})")
            found: list[Any] = self.data
        else:
            found = list(_pieces(self.raw))
        if self.shape != [len(found)] and self.shape != [len(found), 1]:
            raise Refusal(422, f"{len(found)} elements for the shape {self.shape}; they must be equal")
        return found


def _flat(data: Any, whole: bool) -> np.ndarray[Any, Any]:
    return np.array(data, dtype=np.int64 if whole else np.float64).reshape(-1)


def _pieces(raw: bytes) -> list[bytes]:
    found = []
    while raw:
        length = struct.unpack("<I", raw[:4])[0] if len(raw) >= 4 else -1
        if not 0 <= length <= len(raw) - 4:
            raise Refusal(
                422, "the binary data of BYTES are cut off; each element follows its length in 4 bytes"
            )
        found.append(raw[4 : 4 + length])
        raw = raw[4 + length :]
    return found


def read_tensors(body: bytes, headers: Mapping[str, str]) -> tuple[dict[str, Any], list[SentTensor]]:
    """The JSON part of a request, and its inputs. Raises Refusal 422 for what is not of the protocol."""
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
    if not isinstance(inputs, list) or not 0 < len(inputs) <= _MOST_INPUTS:
        raise Refusal(422, "the request has no list of inputs; see the Open Inference Protocol")
    found = []
    for each in inputs:
        one, binary = _input(each, binary)
        found.append(one)
    if binary:
        raise Refusal(422, f"{len(binary)} bytes follow that are of no input; say binary_data_size")
    return given, found


def _input(found: Any, binary: bytes) -> tuple[SentTensor, bytes]:
    """An input, and the bytes that follow those of it."""
    if not isinstance(found, dict):
        raise Refusal(422, "an input is no object; see the Open Inference Protocol")
    shape, kind = found.get("shape"), found.get("datatype")
    if not isinstance(shape, list) or not all(type(side) is int and 0 < side < 1 << 24 for side in shape):
        raise Refusal(422, f"the shape is {str(shape)[:60]}; allowed: whole numbers above 0")
    name, size = str(found.get("name"))[:200], parameter(found, "binary_data_size")
    if size is None:
        return SentTensor(name, str(kind), shape, found.get("data"), None), binary
    if type(size) is not int or not 0 <= size <= len(binary):
        raise Refusal(
            422, f"binary_data_size is {str(size)[:20]} and {len(binary)} bytes follow; they must be equal"
        )
    return SentTensor(name, str(kind), shape, None, binary[:size]), binary[size:]


def write_tensors(
    name: str, version: str, given: Mapping[str, Any], outputs: Mapping[str, Output]
) -> Response:
    """The outputs asked for, in JSON, or in binary where the request says so. Raises Refusal 422 for unknown ones."""
    wanted = given.get("outputs") or [{"name": each} for each in outputs]
    everything = bool(parameter(given, "binary_data_output"))
    heads: list[dict[str, Any]] = []
    tail = b""
    for each in wanted if isinstance(wanted, list) else [wanted]:
        output = str(each.get("name")) if isinstance(each, dict) else str(each)
        if output not in outputs:
            raise Refusal(422, f"output {output[:40]!r}; allowed: {', '.join(outputs)[:200]}")
        binary = parameter(each, "binary_data")
        head, content, data = _written(output, outputs[output])
        if everything if binary is None else binary:
            tail += content
            heads.append({**head, "parameters": {"binary_data_size": len(content)}})
        else:
            heads.append({**head, "data": data})
    answer: dict[str, Any] = {"model_name": name, "model_version": version, "outputs": heads}
    if "id" in given:
        answer["id"] = str(given["id"])[:200]
    head_bytes = json.dumps(answer).encode()
    if not tail:
        return Response(head_bytes, media_type="application/json")
    return Response(
        head_bytes + tail, media_type="application/octet-stream", headers={_LENGTH: str(len(head_bytes))}
    )


def _written(name: str, values: Output) -> tuple[dict[str, Any], bytes, list[Any]]:
    """Head, binary content, and data of JSON."""
    if isinstance(values, list):
        words = [each.encode() for each in values]
        content = b"".join(struct.pack("<I", len(word)) + word for word in words)
        return {"name": name, "datatype": "BYTES", "shape": [len(values)]}, content, values
    kind = "FP64" if values.dtype == np.float64 else "FP32"
    head = {"name": name, "datatype": kind, "shape": list(values.shape)}
    return head, values.astype(_NUMBERS[kind]).tobytes(), values.reshape(-1).tolist()


def parameter(found: Any, name: str) -> Any:
    """A parameter of a request, an input or an output; None where there is none."""
    parameters = found.get("parameters") if isinstance(found, dict) else None
    return parameters.get(name) if isinstance(parameters, dict) else None


def texts(contents: Sequence[Any]) -> list[str]:
    """Elements of BYTES as text. Raises Refusal 422 where they are not UTF-8."""
    try:
        return [each if isinstance(each, str) else each.decode() for each in contents]
    except UnicodeDecodeError as error:
        raise Refusal(422, f"an element of BYTES is not UTF-8 (byte {error.start})") from None


def npy_array(body: bytes) -> np.ndarray[Any, Any]:
    """An array as `numpy.save` wrote it. Raises Refusal 422 for anything else."""
    try:
        found = np.lib.format.read_array(io.BytesIO(body), allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError, TypeError, SyntaxError, OverflowError) as error:
        line = f"the body is no array of numpy.save ({' '.join(str(error).split())[:80]})"
        raise Refusal(422, line) from None
    array: np.ndarray[Any, Any] = found
    return array

"""Bodies: the pictures of a request, in whichever form they were sent.

- `multipart/form-data`: one file or many, as a form or `curl -F` sends them
- `application/json`: `{"pictures": ["…"]}` with each picture file in base64
- `image/*` or `application/octet-stream`: one picture file
- `application/x-npy`: uint8 or float N×H×W×C, N×H×W, H×W×C or H×W, as `numpy.save` writes it
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from torch import Tensor

from convnets.data.images.names import printable
from convnets.data.images.opening import open_picture
from convnets.errors import ConvnetsError
from convnets.serving.http.limits import Limits
from convnets.serving.http.refusal import Refusal, refusal_of
from convnets.serving.http.tensors import SentTensor, npy_array

__all__ = ["FORMS", "Sent", "Store", "arrays_of", "decode", "files_of", "pictures_of", "png"]

FORMS = (
    "multipart/form-data",
    "application/json",
    "image/*",
    "application/octet-stream",
    "application/x-npy",
)

Store = Callable[[Any, str], Tensor]
"""(picture, name) → uint8 C×R×R, such as `Predictor.decode`."""


@dataclass(frozen=True)
class Sent:
    """A picture as it came: the content of a file, or an array H×W(×C)."""

    name: str
    content: bytes | np.ndarray[Any, Any]


async def pictures_of(request: Request, limits: Limits) -> list[Sent]:
    """All pictures of a request. Raises Refusal 413, 415 or 422, and ClientDisconnect where the client has gone."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        found = await _form(request, limits)
    else:
        body = await request.body()
        if kind == "application/json":
            found = _json(body)
        elif kind == "application/x-npy":
            found = arrays_of(npy_array(body))
        elif kind.startswith("image/") or kind == "application/octet-stream":
            found = [Sent("picture 0", body)]
        else:
            raise Refusal(415, f"content type {kind[:60]!r}; allowed: {', '.join(FORMS)}")
    if not found:
        raise Refusal(422, "the request has no pictures; send one or more")
    if len(found) > limits.pictures:
        raise Refusal(413, f"{len(found)} pictures in one request; allowed: {limits.pictures}")
    return found


def decode(store: Store, sent: Sequence[Sent], limits: Limits) -> list[Tensor]:
    """uint8 C×R×R of each picture; takes a while, so call it in a thread.

    Raises Refusal 422 for the first that cannot be decoded or is too large.
    """
    try:
        return [_decoded(store, each, limits) for each in sent]
    except ConvnetsError as error:
        raise refusal_of(error) from None


def _decoded(store: Store, sent: Sent, limits: Limits) -> Tensor:
    if isinstance(sent.content, bytes):
        return store(open_picture(sent.content, sent.name, max_pixels=limits.pixels), sent.name)
    return store(sent.content, sent.name)


async def _form(request: Request, limits: Limits) -> list[Sent]:
    try:
        async with request.form(max_files=limits.pictures, max_fields=16, max_part_size=65_536) as form:
            files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
            return [
                Sent(printable(file.filename or f"picture {place}"), await file.read())
                for place, file in enumerate(files)
            ]
    except ClientDisconnect:
        raise
    except (MultiPartException, ValueError, KeyError) as error:
        raise Refusal(
            422, f"the form cannot be read ({str(error)[:120]}); send files as multipart/form-data"
        ) from None
    except Exception as error:
        if "multipart" not in type(error).__module__ and getattr(error, "status_code", None) != 400:
            raise
        detail = str(getattr(error, "detail", error))[:120]
        raise Refusal(422, f"the form cannot be read ({detail}); send files as multipart/form-data") from None


def _json(body: bytes) -> list[Sent]:
    remedy = '; send {"pictures": ["base64 of a picture file", …]}'
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(422, f"the body is no JSON ({str(error)[:80]}){remedy}") from None
    pictures = given.get("pictures") if isinstance(given, dict) else None
    if not isinstance(pictures, list) or not all(isinstance(each, str) for each in pictures):
        raise Refusal(422, f"the body has no list of texts named pictures{remedy}")
    return [Sent(f"picture {place}", from_base64(each, place)) for place, each in enumerate(pictures)]


def files_of(tensor: SentTensor) -> list[Sent]:
    """The picture files of a tensor of BYTES: in base64 in JSON, as they are in binary. Raises Refusal 422."""
    contents = tensor.contents()
    found = [
        from_base64(each, place) if isinstance(each, str) else each for place, each in enumerate(contents)
    ]
    return [Sent(f"picture {place}", content) for place, content in enumerate(found)]


def from_base64(words: str, place: int) -> bytes:
    """The bytes of a base64 text, also of a `data:` URL. Raises Refusal 422."""
    try:
        return base64.b64decode(
            words.partition(",")[2] if words.startswith("data:") else words, validate=True
        )
    except (binascii.Error, ValueError):
        raise Refusal(422, f"picture {place} is no base64; encode the bytes of a picture file") from None


def arrays_of(array: np.ndarray[Any, Any]) -> list[Sent]:
    """The pictures of an array. Raises Refusal 422 for another shape or for numbers that are not finite."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise Refusal(
            422, "the array holds NaN or infinity; allowed: uint8 from 0 to 255, or float from 0 to 1"
        )
    one = array.ndim == 2 or (array.ndim == 3 and array.shape[-1] in (1, 3))
    if array.ndim not in (2, 3, 4) or 0 in array.shape:
        raise Refusal(422, f"the array has shape {array.shape}; allowed: N×H×W×C, N×H×W, H×W×C or H×W")
    pictures = [array] if one else list(array)
    return [Sent(f"picture {place}", each) for place, each in enumerate(pictures)]


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    """uint8 H×W×3 as a PNG file."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()

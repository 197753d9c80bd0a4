"""Answers: JSON with numbers that are numbers, and arrays as bytes with their shape and scale in a header."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from starlette.responses import Response
from torch import Tensor

__all__ = ["array_answer", "json_answer", "png_answer"]


def json_answer(content: Any) -> Response:
    """JSON; what is not finite becomes null, which JSON has a word for."""
    return Response(json.dumps(_finite(content), ensure_ascii=False), media_type="application/json")


def array_answer(values: Tensor | NDArray[Any], **facts: Any) -> Response:
    """uint8 as it is; other numbers as float16 of values / scale, whose largest is 1.

    The header X-Array holds shape, dtype and scale as JSON, and `facts`.
    """
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
    described = {"shape": list(array.shape), "dtype": "uint8", "scale": 1.0, **facts}
    if array.dtype != np.uint8:
        clean = np.nan_to_num(array.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        scale = float(np.abs(clean).max(initial=0.0)) or 1.0
        array, described["dtype"], described["scale"] = (clean / scale).astype(np.float16), "float16", scale
    header = json.dumps(_finite(described), separators=(",", ":"))
    content = np.ascontiguousarray(array).tobytes()
    return Response(content, media_type="application/octet-stream", headers={"X-Array": header})


def png_answer(pixels: NDArray[np.uint8]) -> Response:
    """uint8 H×W×3 as a PNG picture that the browser keeps for a while."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG", compress_level=1)
    headers = {"Cache-Control": "private, max-age=600"}
    return Response(content.getvalue(), media_type="image/png", headers=headers)


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {str(key): _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    if isinstance(content, np.generic):
        content = content.item()
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content

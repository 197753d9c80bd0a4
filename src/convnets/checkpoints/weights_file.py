"""model.safetensors: read only when its size, its SHA-256 and every line of its header are as they should be.

Layout (https://huggingface.co/docs/safetensors): 8 bytes length of the header, little-endian; the header, a JSON
object of name → {dtype, shape, data_offsets}; the tensors' bytes, without gaps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from convnets.checkpoints.strict_json import parse_strict_json
from convnets.errors import ModelFolderError

__all__ = ["read_tensors"]

_MAX_HEADER_BYTES = 16 << 20  # the deepest network of the catalogue has a header of 0.15 MB
_MAX_AXES = 16
_ITEM_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4, "U32": 4, "F32": 4,
    "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip
_KEYS = {"dtype", "shape", "data_offsets"}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, on the CPU; raises ModelFolderError that says what is wrong with it.

    The header is checked before memory is asked for: its length, keys given twice, types, shapes, and that the
    tensors fill the file one after another, without overlap, gap or rest. Nothing in the file is ever executed.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or not 2 <= length <= size - 8:
            raise _not_safetensors(path, _foreign(start, length, size))
        if length > _MAX_HEADER_BYTES:
            raise _not_safetensors(path, f"header of {length:,} bytes; allowed: {_MAX_HEADER_BYTES:,}")
        content = file.read(length)
    try:
        header = parse_strict_json(content)
        _check_header(header, size - 8 - length)
        return safetensors.torch.load_file(path)
    except ModelFolderError:
        raise
    except Exception as error:  # noqa: BLE001  the parser's exceptions are not one family; none may pass as ours
        raise _not_safetensors(path, str(error)[:120]) from None


def _not_safetensors(path: Path, why: str) -> ModelFolderError:
    return ModelFolderError(f"{path} is not a safetensors file ({why}); copy or save the model again")


def _foreign(start: bytes, length: int, size: int) -> str:
    """What a file is that cannot be a safetensors file by its first bytes."""
    if size < 8:
        return f"{size} bytes; the shortest has 10"
    if start[:1] == b"\x80" and 2 <= start[1] <= 5:
        return "it is a pickle, which could run code and is never opened"
    if start[:4] == b"PK\3\4":
        return "it is a zip, such as PyTorch's own files, which hold pickles and are never opened"
    return f"header of {length:,} bytes in a file of {size:,}"


def _check_header(header: Any, data_bytes: int) -> None:
    """Raise ValueError unless the tensors lie one after another in `data_bytes` bytes and fill them."""
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    places: list[tuple[int, int, str]] = []
    for name, entry in header.items():
        if name != "__metadata__":
            places.append((*_place(name, entry), name))
    places.sort()
    end, before = 0, "the header"
    for begin, stop, name in places:
        if begin < end:
            raise ValueError(f"tensors {before[:60]!r} and {name[:60]!r} overlap")
        if begin > end:
            raise ValueError(f"{begin - end} bytes before tensor {name[:60]!r} belong to none")
        end, before = stop, name
    if end != data_bytes:
        raise ValueError(f"{data_bytes:,} of {end:,} bytes of tensors")


def _place(name: str, entry: Any) -> tuple[int, int]:
    """Where a tensor's bytes begin and end, behind the header."""
    shown = f"tensor {name[:60]!r}"
    if not isinstance(entry, Mapping) or entry.keys() != _KEYS:
        raise ValueError(f"{shown} has not the keys dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _ITEM_BYTES:
        raise ValueError(f"{shown} is of type {dtype!r:.20}; allowed: {', '.join(_ITEM_BYTES)}")
    if not _counts(shape) or len(shape) > _MAX_AXES or not _counts(offsets) or len(offsets) != 2:
        raise ValueError(f"{shown} has shape {shape!r:.40} at {offsets!r:.40}")
    needed = math.prod(shape) * _ITEM_BYTES[dtype]
    begin, stop = offsets
    if stop - begin != needed:
        raise ValueError(f"{shown} needs {needed:,} bytes, has {stop - begin:,}")
    return begin, stop


def _counts(values: Any) -> bool:
    """Whether this is a list of sizes that a tensor can have."""
    return isinstance(values, list) and all(
        isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**48 for value in values
    )

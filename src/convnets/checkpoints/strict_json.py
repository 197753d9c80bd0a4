"""JSON that means one thing: a key given twice, NaN, infinity and endless nesting are refused."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["parse_strict_json"]


def parse_strict_json(content: bytes) -> Any:
    """The value of a JSON document in UTF-8; raises ValueError, whose text says what is wrong.

    Parsers differ in which of two equal keys wins, so that two programs could read two models from one file.

    >>> parse_strict_json(b'{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    >>> parse_strict_json(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: the key 'a' stands there twice
    """
    try:
        return json.loads(
            content.decode("utf-8"), object_pairs_hook=_without_twins, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"the key {key[:60]!r} stands there twice")
        content[key] = value
    return content


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")

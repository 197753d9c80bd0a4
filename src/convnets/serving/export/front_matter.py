"""Front matter: what stands in YAML above a model card, for programs to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from convnets.core.storage.files import json_text

__all__ = ["front_matter"]


def front_matter(content: Mapping[str, Any]) -> str:
    """YAML between two lines of dashes. Scalars are written as in JSON, which YAML reads; so no text can break out.

    >>> print(front_matter({"library_name": "convnets", "tags": ["a: b"], "result": [{"value": 0.5}]}))
    ---
    library_name: "convnets"
    tags:
    - "a: b"
    result:
    - value: 0.5
    ---
    """
    return "\n".join(("---", *_mapping(content), "---"))


def _mapping(content: Mapping[str, Any]) -> Iterator[str]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield f"{key}:"
            yield from (f"  {line}" for line in _mapping(value))
        elif isinstance(value, list):
            yield f"{key}:"
            for item in value:
                lines = list(_mapping(item)) if isinstance(item, Mapping) else [json_text(item)]
                yield from (f"{'- ' if place == 0 else '  '}{line}" for place, line in enumerate(lines))
        else:
            yield f"{key}: {json_text(value, allow_nan=False)}"

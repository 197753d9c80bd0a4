"""Examples in docstrings for the site: lines that begin with >>> become a block of code, as readers know it."""

from __future__ import annotations

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"^( *)>>> .*(?:\n.*\S.*)*", flags=re.MULTILINE)


class FencedExamples(griffe.Extension):
    """Puts a fence around each example, which Markdown would run together into a sentence."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for each module, class, function and attribute once it has been read."""
        if obj.docstring is not None:
            obj.docstring.value = _EXAMPLE.sub(_fenced, obj.docstring.value)


def _fenced(example: re.Match[str]) -> str:
    indent = example[1]
    return f"{indent}```pycon\n{example[0]}\n{indent}```"

"""CardText: how a model card writes figures, names, tables and places."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from convnets.core.display.text import plain_text
from convnets.evaluation.intervals import wilson_interval

__all__ = ["cell", "code", "listed", "percent", "place_name", "share_row", "table", "without_places"]

_ABSOLUTE = re.compile(r"(/|~|\.\.?/|[A-Za-z]:[\\/]|\\\\)")
_SPECIAL = re.compile(r"([\\`*\[\]<>|]|(?<!\w)_|_(?!\w))")  # inside a word, _ has no effect


def cell(text: object) -> str:
    r"""A text that users gave, on one line, without effect on Markdown.

    >>> print(cell("a|b\nc <i>"))
    a\|b c \<i\>
    """
    return _SPECIAL.sub(r"\\\1", " ".join(plain_text(text).split()))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table; the cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def code(text: object) -> str:
    """The same in the font of code, where only its own mark and the end of a table's cell have an effect.

    >>> code("lenet_bn")
    '`lenet_bn`'
    """
    shown = " ".join(plain_text(text).replace("`", "'").split()).replace("|", "\\|")
    return f"`{shown}`"


def listed(names: Sequence[str], most: int) -> str:
    """Names with commas, at most so many of them.

    >>> listed(("cat", "dog", "elk"), 2)
    'cat, dog, and 1 more'
    """
    shown = ", ".join(cell(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown}, and {len(names) - most:,} more"


def percent(share: float) -> str:
    """A share with two digits behind the point.

    >>> percent(0.8265)
    '82.65 %'
    """
    return f"{share:.2%}".replace("%", " %")


def share_row(name: str, share: float, images: int | None) -> list[str]:
    """Figure, value, interval of 95 % by Wilson, images; the interval is left out where the count is not known."""
    if not images:
        return [name, percent(share), "", ""]
    low, high = wilson_interval(round(share * images), images)
    return [name, percent(share), f"{100 * low:.2f} to {percent(high)}", f"{images:,}"]


def place_name(text: str) -> str:
    """A path's last part, since folders above it say more about a machine than about a model; other text as it is.

    >>> place_name("/home/ada/photos"), place_name(r"C:\\\\data\\\\x.zip"), place_name("fashion-mnist")
    ('photos', 'x.zip', 'fashion-mnist')
    """
    if not _ABSOLUTE.match(text):
        return text
    path: PurePath = PureWindowsPath(text) if "\\" in text or text[1:2] == ":" else PurePosixPath(text)
    return path.name or "a folder"


def without_places(value: Any) -> Any:
    """Plain values of JSON, with `place_name` for every text in them."""
    if isinstance(value, str):
        return place_name(value)
    if isinstance(value, list):
        return [without_places(each) for each in value]
    if isinstance(value, dict):
        return {key: without_places(each) for key, each in value.items()}
    return value

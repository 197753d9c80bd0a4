"""Pieces of the report's HTML. Whatever a user could have named or typed goes through `text`."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from convnets.core.display.notebook_html import text
from convnets.evaluation.report.style import STYLE

__all__ = [
    "details",
    "facts",
    "figures",
    "note",
    "page",
    "picture",
    "section",
    "settings_table",
    "table",
    "text",
    "themed",
]

_LONGEST_SIDE = 160  # pixels; larger pictures of mistakes are reduced to it, to keep the page small
_SMALL_SIDE = 100  # pixels; smaller pictures are enlarged pixel by pixel
# the plots' colours → the page's, which change with light and dark
_THEME = {
    "#0072b2": "var(--blue)",
    "#d55e00": "var(--orange)",
    "#57606a": "var(--quiet)",
    "#d8dee4": "var(--line)",
}


def page(title: str, body: str) -> str:
    """A whole document that needs no other file; scripts and fetches are forbidden by its policy."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{STYLE}</style></head>\n<body><main>\n{body}\n"
        "<footer>Written by convnets.</footer></main></body></html>\n"
    )


def section(title: str, body: str, kind: str = "") -> str:
    """A card with a heading."""
    return f'<section class="{kind}"><h2>{text(title)}</h2>{body}</section>'


def details(title: str, body: str) -> str:
    """A card that opens on demand."""
    return f"<section><details><summary>{text(title)}</summary>{body}</details></section>"


def figures(values: Mapping[str, str]) -> str:
    """Large figures with small names."""
    items = "".join(
        f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in values.items()
    )
    return f'<dl class="figures">{items}</dl>'


def note(words: str) -> str:
    """A small explanation below a table or plot."""
    return f'<p class="note">{text(words)}</p>'


def facts(values: Mapping[str, str]) -> str:
    """Names and values in columns."""
    items = "".join(
        f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in values.items()
    )
    return f'<dl class="facts">{items}</dl>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is a name; the cells of `rows` are HTML already."""
    top = "".join(f"<th>{text(name)}</th>" for name in head)
    body = "".join(
        f'<tr><td class="name">{row[0]}</td>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def settings_table(values: Mapping[str, Any]) -> str:
    """Nested settings as two columns, `data.source` for a value inside another."""
    rows = "".join(f"<tr><td>{text(name)}</td><td>{text(value)}</td></tr>" for name, value in _flat(values))
    return f'<table class="settings"><tbody>{rows}</tbody></table>'


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _shown(value)


def _shown(value: Any) -> str:
    if value is None or value == {}:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(_shown(each) for each in value) or "–"
    return str(value)


def picture(pixels: Tensor, label: str) -> str:
    """uint8 C×H×W as an `<img>` that carries its own PNG."""
    image = _image(pixels)
    small = max(image.size) <= _SMALL_SIDE
    image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    kind = ' class="small"' if small else ""
    return f'<img{kind} alt="{text(label)}" src="data:image/png;base64,{data}">'


def _image(pixels: Tensor) -> Image.Image:
    assert pixels.dtype == torch.uint8, pixels.dtype
    assert pixels.ndim == 3, pixels.shape
    if pixels.shape[0] == 1:
        return Image.fromarray(pixels[0].cpu().numpy())
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().cpu().numpy())


def themed(svg: str) -> str:
    """A plot with the page's colours in place of its own."""
    for colour, variable in _THEME.items():
        svg = svg.replace(colour, variable)
    return svg

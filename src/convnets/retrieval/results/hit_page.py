"""A page of hits: each query and what was found, with distances, paths and similarity maps; one HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from convnets.core.html.kit import Markup, facts, figure, note, page, render, section
from convnets.core.storage.files import write_text
from convnets.data.images.names import printable
from convnets.data.images.thumbnail import pixels_html
from convnets.retrieval.hit import Hit
from convnets.retrieval.results.hit_pictures import FoundRow

__all__ = ["write_page"]

_CAPTION = """{{ hit.label or "" }} <b>{{ "%.3f"|format(hit.distance) }}</b>
{%- for line in lines %}<br><span>{{ line }}</span>{% endfor %}"""


def write_page(path: Path, title: str, summary: Mapping[str, str], rows: Sequence[FoundRow]) -> Path:
    """Write the page, whole or not at all; it fetches nothing. Returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page(title, section("Index", facts(summary)), *map(_row, rows)))
    return path


def _row(row: FoundRow) -> Markup:
    shown = [_figure(row.query, "query", Markup("<b>query</b>"))]
    for place, (hit, pixels) in enumerate(zip(row.hits, row.pictures, strict=True)):
        mapped = row.maps[place] if row.maps else None
        shown.append(_hit(hit, pixels, mapped))
    words = (
        f"{len(row.hits)} images, the nearest first; Euclidean distance of unit vectors, from 0 (equal) to 2."
    )
    if row.maps:
        words += (
            " Colors over a picture: how much each patch is like the patch of the query that is most like it, "
            f"cosine {row.span[0]:.2f} (dark) to {row.span[1]:.2f} (bright)."
        )
    return section(row.name, render('<div class="gallery">{{ shown|join }}</div>', shown=shown), note(words))


def _hit(hit: Hit, pixels: Tensor | None, mapped: Tensor | None) -> Markup:
    others = ", ".join(f"{name} {value}" for name, value in hit.metadata.items() if name != "class")
    lines = [
        printable(hit.path),
        *([others] if others else []),
        *(["no longer there"] if pixels is None else []),
    ]
    return _figure(pixels, hit.path, render(_CAPTION, hit=hit, lines=lines), mapped)


def _figure(pixels: Tensor | None, name: str, caption: Markup, mapped: Tensor | None = None) -> Markup:
    images = [] if pixels is None else [pixels_html(pixels, printable(name))]
    if mapped is not None:
        images.append(pixels_html(mapped, f"similarity map of {printable(name)}"))
    return figure(images, caption)

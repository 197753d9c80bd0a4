"""A page of hits: each query and what was found, with distances, paths and similarity maps; one HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from convnets.core.storage.files import write_text
from convnets.data.images.names import printable
from convnets.evaluation.report.html import facts, note, page, picture, section, text
from convnets.retrieval.hit import Hit
from convnets.retrieval.results.hit_pictures import FoundRow

__all__ = ["write_page"]


def write_page(path: Path, title: str, summary: Mapping[str, str], rows: Sequence[FoundRow]) -> Path:
    """Write the page, whole or not at all; it fetches nothing. Returns the path."""
    head = f"<header><h1>{text(title)}</h1></header>{section('Index', facts(summary))}"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page(title, head + "".join(_row(row) for row in rows)))
    return path


def _row(row: FoundRow) -> str:
    figures = [_figure(row.query, "query", "<b>query</b>")]
    for place, (hit, pixels) in enumerate(zip(row.hits, row.pictures, strict=True)):
        mapped = row.maps[place] if row.maps else None
        figures.append(_hit(hit, pixels, mapped))
    words = (
        f"{len(row.hits)} images, the nearest first; Euclidean distance of unit vectors, from 0 (equal) to 2."
    )
    if row.maps:
        words += (
            " Colours over a picture: how much each patch is like the patch of the query that is most like it, "
            f"cosine {row.span[0]:.2f} (dark) to {row.span[1]:.2f} (bright)."
        )
    return section(row.name, f'<div class="mistakes">{"".join(figures)}</div>{note(words)}')


def _hit(hit: Hit, pixels: Tensor | None, mapped: Tensor | None) -> str:
    others = ", ".join(f"{name} {value}" for name, value in hit.metadata.items() if name != "class")
    lines = [
        f"{text(hit.label or '')} <b>{hit.distance:.3f}</b>",
        f"<span>{text(printable(hit.path))}</span>",
        *([f"<span>{text(others)}</span>"] if others else []),
    ]
    if pixels is None:
        lines.append("<span>no longer there</span>")
    return _figure(pixels, hit.path, "<br>".join(lines), mapped)


def _figure(pixels: Tensor | None, name: str, caption: str, mapped: Tensor | None = None) -> str:
    images = "" if pixels is None else picture(pixels, printable(name))
    if mapped is not None:
        images += picture(mapped, f"similarity map of {printable(name)}")
    return f"<figure>{images}<figcaption>{caption}</figcaption></figure>"

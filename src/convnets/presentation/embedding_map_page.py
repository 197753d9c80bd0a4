"""The page of an embedding map: every image shows itself when it is pointed at. One file, no scripts."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convnets.core.html.kit import Markup, note, page, render
from convnets.data.images.thumbnail import thumbnail
from convnets.explanation.pictures.colors import as_picture, class_colors
from convnets.explanation.representations.embedding_map import EmbeddingMap

__all__ = ["map_page"]

_LARGEST = 56  # pixels of a picture's long side in the sheet that all of them come from
_SHOWN = 112  # pixels of it on the page

_STYLE = """
.map { position: relative; width: 100%; aspect-ratio: 1; border: 1px solid var(--line); border-radius: 8px; }
.map > i { position: absolute; width: 9px; height: 9px; margin: -4.5px; border-radius: 50%; opacity: .8;
  outline-offset: 2px; }
.map > i.wrong { border-radius: 0; transform: rotate(45deg); box-shadow: 0 0 0 1.5px var(--ink); }
.map > i:hover, .map > i:focus { opacity: 1; z-index: 2; outline: 2px solid var(--ink); }
.map > i > span { display: none; position: absolute; left: 14px; top: 14px; width: max-content; z-index: 3;
  padding: 8px; font: 13px/1.35 system-ui, sans-serif; background: var(--card); color: var(--ink);
  border: 1px solid var(--line); border-radius: 8px; box-shadow: 0 2px 10px #0004; pointer-events: none; }
.map > i.wrong > span { transform: rotate(-45deg); transform-origin: 0 0; left: 14px; top: 0; }
.map > i.left > span { left: auto; right: 14px; }
.map > i.wrong.left > span { left: auto; right: auto; transform: rotate(-45deg) translateX(-100%); }
.map > i.up > span { top: auto; bottom: 14px; }
.map > i:hover > span, .map > i:focus > span { display: block; }
.map b { display: block; margin: 0 auto 6px; background-image: var(--sheet); image-rendering: pixelated; }
.key { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 12px 0 0; padding: 0; list-style: none; }
.key i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px; }
"""

_MAP = """<section><div class="map">{{ points|join }}</div><ul class="key">
{%- for name, color in key %}<li><i style="background:{{ color }}"></i>{{ name }}</li>{% endfor -%}
</ul>{{ note }}</section>"""
_POINT = (
    '<i tabindex="0" class="{{ kind }}" style="{{ style }}">'
    '<span><b style="{{ tile }}"></b>{{ words }}<br>{{ sure }}</span></i>'
)


def map_page(found: EmbeddingMap) -> str:
    """A whole document: the map, a key of the classes, and how to read it."""
    sheet, columns, side = _sheet(found)
    colors = class_colors(len(found.classes))
    points = [
        _point(found, index, place, colors, columns, side)
        for index, place in enumerate(_percent(found.positions))
    ]
    key = list(zip(found.classes, colors, strict=True))
    style = f"{_STYLE}.map {{ --sheet: url(data:image/png;base64,{sheet}); }}"
    words = (
        f"{found.note} Point at an image, or go from one to the next with the tab key. A diamond with a dark rim "
        f"is one of the {found.mistakes} images that the network takes for another class; its color is the true one."
    )
    return page(found.title, render(_MAP, points=points, key=key, note=note(words)), style=style)


def _point(
    found: EmbeddingMap,
    index: int,
    place: NDArray[np.float64],
    colors: list[str],
    columns: int,
    side: tuple[int, int],
) -> Markup:
    true, predicted = int(found.labels[index]), int(found.predicted[index])
    wrong = true != predicted
    kind = " ".join(
        name
        for name, holds in (("wrong", wrong), ("left", place[0] > 70), ("up", place[1] > 75 and not wrong))
        if holds
    )
    times = _SHOWN / max(side)
    row, column = divmod(index, columns)
    size = f"width:{side[0] * times:.0f}px;height:{side[1] * times:.0f}px"
    sheet = f"background-size:{columns * side[0] * times:.0f}px auto"
    shift = f"background-position:-{column * side[0] * times:.0f}px -{row * side[1] * times:.0f}px"
    words = f"{found.classes[true]}" + (f", taken for {found.classes[predicted]}" if wrong else "")
    return render(
        _POINT,
        kind=kind,
        style=f"left:{place[0]:.2f}%;top:{place[1]:.2f}%;background:{colors[true]}",
        tile=f"{size};{sheet};{shift}",
        words=words,
        sure=f"{found.confidence[index]:.0%} sure, image {index}",
    )


def _percent(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """N×2: per cent from the left and from the top, scaled alike along both axes, with a little room at the rim."""
    low, high = positions.min(0), positions.max(0)
    longest = float((high - low).max()) or 1.0
    square: NDArray[np.float64] = (positions - (low + high) / 2) / longest
    square[:, 1] *= -1
    return 50 + 96 * square


def _sheet(found: EmbeddingMap) -> tuple[str, int, tuple[int, int]]:
    """All pictures in one PNG as base64, how many lie side by side, and width and height of each."""
    pictures = [Image.fromarray(as_picture(pixels.numpy())) for pixels in found.pixels]
    if max(pictures[0].size) > _LARGEST:
        pictures = [thumbnail(picture, _LARGEST) for picture in pictures]
    width, height = pictures[0].size
    columns = max(1, math.ceil(math.sqrt(len(pictures))))
    gray = found.pixels.shape[1] == 1
    paper = Image.new("L" if gray else "RGB", (columns * width, math.ceil(len(pictures) / columns) * height))
    for index, picture in enumerate(pictures):
        paper.paste(picture.convert(paper.mode), (index % columns * width, index // columns * height))
    content = io.BytesIO()
    paper.save(content, "PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode(), columns, (width, height)

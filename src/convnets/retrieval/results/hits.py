"""Hits: what one search found."""

from __future__ import annotations

from collections.abc import Iterable

from PIL import Image

from convnets.core.display.notebook_html import card, text
from convnets.data.images.names import printable
from convnets.data.images.thumbnail import picture_html
from convnets.retrieval.hit import Hit
from convnets.retrieval.results.indexed_picture import IndexedPictures

__all__ = ["Hits"]

_SHOWN = 24
_SIDE = 84
_STYLE = """
.convnets .hits { display: flex; flex-wrap: wrap; gap: 10px; }
.convnets .hits > div { width: 96px; font-size: 12px; line-height: 1.3; overflow-wrap: anywhere; }
"""


class Hits(list[Hit]):
    """A list of hits, the nearest first; a notebook shows them with their pictures.

    `query` is the picture that was searched for, None where it was a vector; `pictures` opens those of the hits.
    """

    def __init__(self, hits: Iterable[Hit], query: Image.Image | None, pictures: IndexedPictures) -> None:
        super().__init__(hits)
        self._query, self._pictures = query, pictures

    def _repr_html_(self) -> str:
        tiles = [] if self._query is None else [_tile(self._query, "query", "<b>query</b>")]
        for hit in self[:_SHOWN]:
            name = printable(hit.path)
            words = f"{text(hit.label or name)}<br>{hit.distance:.3f}"
            tiles.append(_tile(self._pictures.try_open(hit.path), name, words))
        left = len(self) - _SHOWN
        title = f"{len(self)} hits, the nearest first" + (f"; the first {_SHOWN}" if left > 0 else "")
        return card(title, f'<div class="hits">{"".join(tiles)}</div>', style=_STYLE)


def _tile(picture: Image.Image | None, name: str, words: str) -> str:
    shown = "no longer there" if picture is None else picture_html(picture, name, _SIDE)
    return f'<div title="{text(name)}">{shown}<br>{words}</div>'

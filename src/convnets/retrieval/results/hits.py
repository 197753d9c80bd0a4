"""Hits: what one search found."""

from __future__ import annotations

from collections.abc import Iterable

from PIL import Image

from convnets.core.html.kit import Markup, card, figure, render
from convnets.data.images.names import printable
from convnets.data.images.thumbnail import picture_html
from convnets.retrieval.hit import Hit
from convnets.retrieval.results.indexed_picture import IndexedPictures

__all__ = ["Hits"]

_SHOWN = 24
_SIDE = 84


class Hits(list[Hit]):
    """A list of hits, the nearest first; a notebook shows them with their pictures.

    `query` is the picture that was searched for, None where it was a vector; `pictures` opens those of the hits.
    """

    def __init__(self, hits: Iterable[Hit], query: Image.Image | None, pictures: IndexedPictures) -> None:
        super().__init__(hits)
        self._query, self._pictures = query, pictures

    def _repr_html_(self) -> str:
        tiles = [] if self._query is None else [_tile(self._query, "query", "query")]
        for hit in self[:_SHOWN]:
            name = printable(hit.path)
            tiles.append(
                _tile(self._pictures.try_open(hit.path), name, hit.label or name, f"{hit.distance:.3f}")
            )
        left = len(self) - _SHOWN
        title = f"{len(self)} hits, the nearest first" + (f"; the first {_SHOWN}" if left > 0 else "")
        return card(title, render('<div class="gallery">{{ tiles|join }}</div>', tiles=tiles))


def _tile(picture: Image.Image | None, name: str, *words: str) -> Markup:
    shown = "no longer there" if picture is None else picture_html(picture, name, _SIDE)
    lines = '<span title="{{ name }}">{% for each in words %}{{ each }}<br>{% endfor %}</span>'
    return figure([shown], render(lines, name=name, words=words))

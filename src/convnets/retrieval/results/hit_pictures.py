"""Hits with their pictures: what contact sheets and pages of hits are made of.

uint8 C×H×W for each picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from convnets.data.images.contact_sheet import ContactSheet, SheetRow
from convnets.data.images.names import printable
from convnets.retrieval.hit import Hit
from convnets.retrieval.results.indexed_picture import IndexedPictures
from convnets.retrieval.results.similarity_map import SimilarityMapper

__all__ = ["FoundRow", "found_rows", "write_sheet"]

_LONGEST_SIDE = 112
_MISSING = 200  # gray of the tile of a picture that cannot be had any more


@dataclass(frozen=True)
class FoundRow:
    """A query and what was found for it."""

    name: str
    query: Tensor
    """The query's picture."""
    hits: Sequence[Hit]
    pictures: Sequence[Tensor | None]
    """The picture of each hit; None when it is no longer where it was indexed."""
    maps: Sequence[Tensor | None] = ()
    """Each hit's similarity map over its picture, or none at all."""
    span: tuple[float, float] = (0.0, 0.0)
    """Cosines of the darkest and the brightest color of the maps."""


def found_rows(
    queries: Sequence[tuple[str, Image.Image]],
    found: Sequence[Sequence[Hit]],
    pictures: IndexedPictures,
    mapper: SimilarityMapper | None = None,
) -> list[FoundRow]:
    """The hits of each query with their pictures, and with similarity maps where a mapper is given."""
    rows = []
    for (name, query), hits in zip(queries, found, strict=True):
        opened = [pictures.try_open(hit.path) for hit in hits]
        maps: list[Tensor | None] = []
        span = (0.0, 0.0)
        if mapper is not None:
            similar = [None if each is None else mapper(query, each) for each in opened]
            there = torch.cat([each.flatten() for each in similar if each is not None] or [torch.zeros(1)])
            span = (float(there.min()), float(there.max()))
            maps = [
                None if each is None or picture is None else mapper.draw(picture, each, span)
                for picture, each in zip(opened, similar, strict=True)
            ]
        tiles = [None if each is None else _pixels(each) for each in opened]
        rows.append(FoundRow(printable(name), _pixels(query), tuple(hits), tiles, maps, span))
    return rows


def write_sheet(path: Path, title: str, notes: Sequence[str], rows: Sequence[FoundRow]) -> Path:
    """A contact sheet: a row for each query, label and distance under each hit. PNG, or what the suffix says."""
    widest = max(len(row.hits) for row in rows)
    side = max(
        max(tile.shape[-2:]) for row in rows for tile in (row.query, *row.pictures) if tile is not None
    )
    sheet_rows = []
    for row in rows:
        tiles = [_square(row.query, side)]
        captions: list[list[str]] = [["query"]]
        for hit, pixels in zip(row.hits, row.pictures, strict=True):
            tiles.append(_square(pixels, side))
            where = hit.label if hit.label is not None else Path(printable(hit.path)).name
            captions.append(
                [where, f"{hit.distance:.3f}" if pixels is not None else f"{hit.distance:.3f}, gone"]
            )
        sheet_rows.append(SheetRow(Path(row.name).name, tiles, captions))
        if row.maps:
            spanned = [_square(None, side, 255), *(_square(each, side) for each in row.maps)]
            lines = [["maps", f"{row.span[0]:.2f} … {row.span[1]:.2f}"], *([] for _ in row.maps)]
            sheet_rows.append(SheetRow("", spanned, lines))
    groups = (("query", 1), ("most similar first", max(1, widest)))
    sheet = ContactSheet(title, notes, groups, sheet_rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.draw().save(path)
    return path


def _pixels(picture: Image.Image) -> Tensor:
    """uint8 3×H×W, the long side at most _LONGEST_SIDE."""
    small = picture.convert("RGB")
    if max(small.size) > _LONGEST_SIDE:
        small = ImageOps.contain(small, (_LONGEST_SIDE, _LONGEST_SIDE))
    return torch.from_numpy(np.array(small).transpose(2, 0, 1).copy())


def _square(pixels: Tensor | None, side: int, blank: int = _MISSING) -> Tensor:
    """uint8 3×side×side: enlarged to it by whole pixels where that is possible, the rest white; a tile for None."""
    if pixels is None:
        return torch.full((3, side, side), blank, dtype=torch.uint8)
    times = max(1, side // max(pixels.shape[-2:]))
    large = pixels.repeat_interleave(times, 1).repeat_interleave(times, 2)[:, :side, :side]
    paper = torch.full((3, side, side), 255, dtype=torch.uint8)
    top, left = (side - large.shape[1]) // 2, (side - large.shape[2]) // 2
    paper[:, top : top + large.shape[1], left : left + large.shape[2]] = large
    return paper

"""Measures: how large boxes and texts are, in the units of the drawing."""

from __future__ import annotations

from convnets.inspection.drawing.layout.boxes import Card, Row

__all__ = [
    "BEND",
    "GAP",
    "HEADER",
    "PADDING",
    "ROW",
    "SHAPE",
    "card_size",
    "row_text",
    "shape_width",
    "text_width",
]

ROW = 22.0
"""Height of a row."""
PADDING = 14.0
"""Between a group's frame and what is in it."""
HEADER = 24.0
"""Height of a group's title."""
GAP = 24.0
"""Between boxes that stand side by side."""
SHAPE = 20.0
"""Below a box: room for the shape of what leaves it."""
BEND = 24.0
"""Below that: room for links to go sideways."""
_LEAST_CARD = 84.0
_NARROW, _WIDE = set("iljtfr.,:;|!'()[] …"), set("mwMW@")


def text_width(text: str, size: float = 12.0, *, bold: bool = False) -> float:
    """About how wide a text is in a sans-serif font of that size; a little more than less."""
    units = sum(0.38 if each in _NARROW else 0.95 if each in _WIDE else 0.63 for each in text)
    return units * size * (1.1 if bold else 1.0)


def row_text(row: Row) -> str:
    """What stands at the left of a row."""
    return f"{row.kind} {row.detail}" if row.detail else row.kind


def shape_width(shape: str) -> float:
    """Room that a shape takes to the right of its link."""
    return text_width(shape, 11) + 10


def card_size(card: Card) -> tuple[float, float]:
    """Width and height of a card."""
    widths = [
        text_width(row.kind, bold=True)
        + text_width(f" {row.detail}" if row.detail else "")
        + (text_width(row.name, 10) + 12 if row.name else 0)
        for row in card.rows
    ]
    badge = 32 if card.times > 1 else 0
    return max(_LEAST_CARD, max(widths) + badge + 18), ROW * len(card.rows)

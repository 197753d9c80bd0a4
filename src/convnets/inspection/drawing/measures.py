"""Measures: how large boxes and texts are, in the units of the drawing."""

from __future__ import annotations

from convnets.inspection.drawing.boxes import Card, Row, shape_range

__all__ = ["GAP", "HEADER", "PADDING", "ROW", "card_size", "row_text", "text_width"]

ROW = 22.0
"""Height of a row."""
PADDING = 14.0
"""Between a group's frame and what is in it."""
HEADER = 24.0
"""Height of a group's title."""
GAP = 30.0
"""Between boxes, upwards and sideways: room for a shape."""
_LEAST_CARD = 96.0
_NARROW, _WIDE = set("iljtfr.,:;|!'()[] …"), set("mwMW@×")


def text_width(text: str, size: float = 12.0) -> float:
    """About how wide a text is in a sans-serif font of that size; a little more than less."""
    units = sum(0.34 if each in _NARROW else 0.88 if each in _WIDE else 0.6 for each in text)
    return units * size


def row_text(row: Row) -> str:
    """What stands at the left of a row."""
    return f"{row.kind}  {row.detail}" if row.detail else row.kind


def card_size(card: Card) -> tuple[float, float]:
    """Width and height of a card."""
    names = [text_width(row_text(row)) + 14 + (text_width(row.name, 10) + 10) * bool(row.name) for row in card.rows]
    badge = 28 if card.times > 1 else 0
    shape = 2 * (text_width(shape_range(card.rows[-1].shapes), 11) + 8)  # it stands below, right of the middle
    return max(_LEAST_CARD, shape, max(names) + badge + 8), ROW * len(card.rows)

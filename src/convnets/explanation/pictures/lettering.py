"""Lettering: texts that fit their place, in the letters that the font has."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import matplotlib
from matplotlib.font_manager import findfont, get_font
from PIL import ImageFont

from convnets.core.display.text import plain_text

__all__ = ["drawable", "shortened", "text_width", "wrapped"]

_POINT = 100 / 72  # pixels of a figure with 100 pixels an inch


def drawable(text: object) -> str:
    """The text on one line, with ? for signs that matplotlib's font lacks.

    >>> drawable("a\\n狗")
    'a ?'
    """
    known = get_font(findfont("DejaVu Sans")).get_charmap()
    line = " ".join(plain_text(text).split())
    return "".join(sign if ord(sign) in known else "?" for sign in line)


def text_width(text: str, points: float) -> float:
    """Width in pixels, of which there are 100 an inch."""
    return _font().getlength(text) * points * _POINT / _SIZE * _HINTED


def shortened(text: str, width: float, points: float) -> str:
    """The text, cut with an ellipsis where it is wider than `width` pixels.

    >>> shortened("stage2.0.conv1", 60, 8), shortened("conv1", 60, 8)
    ('stage2…', 'conv1')
    """
    if text_width(text, points) <= width:
        return text
    while text and text_width(text + "…", points) > width:
        text = text[:-1]
    return text.rstrip(". ") + "…"


def wrapped(text: str, width: float, points: float) -> list[str]:
    """The text in lines of at most `width` pixels, broken at spaces.

    >>> wrapped("one two three", 60, 10)
    ['one two', 'three']
    """
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, points) <= width:
            lines[-1] = longer
        else:
            lines.append(shortened(word, width, points))
    return lines


_SIZE = 64
_HINTED = 1.03  # letters that are drawn on whole pixels are a little wider


@cache
def _font() -> ImageFont.FreeTypeFont:
    """DejaVu Sans as it comes with matplotlib, large, so that widths are exact."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), _SIZE)

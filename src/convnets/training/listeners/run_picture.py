"""What a notebook shows of a run: its name, how far it is, its curves and what is to be known, as one SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from convnets.core.display.text import columns, plain_text

__all__ = ["RunPicture"]

_WIDTH, _MARGIN = 760, 16  # pixels
_CURVES_HEIGHT = 256
_LINE = 18
_COLUMNS = 118  # of text in one line
# on a ground of its own: it is seen in light and in dark notebooks, and a saved picture cannot ask which it is in
_INK, _QUIET, _GROUND, _LINES, _BLUE = "#1f2328", "#57606a", "#ffffff", "#d8dee4", "#0072b2"
_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class RunPicture:
    """The parts of the picture; texts may hold anything.

    >>> RunPicture("lenet on digits", "epoch 1/2", 0.5, "", ("note: all is well",)).svg()[:5]
    '<svg '
    """

    title: str
    status: str
    """How far it is, or how it ended."""
    share: float | None
    """Of the run that is done, 0 to 1; None where there is nothing more to come."""
    curves: str
    """An `<svg>` element, or nothing while there is none."""
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        return "\n".join([f"{self.title}: {self.status}", *self.notes])

    def svg(self) -> str:
        """A document of fixed width; its height grows by the notes alone."""
        notes = [line for note in self.notes for line in _broken(note)]
        top = 58 + _CURVES_HEIGHT
        height = top + _LINE * len(notes) + 12
        size = f'width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}"'
        style = f"max-width: 100%; height: auto; font: 13px {_FONTS}"
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(plain_text(self.title))}" '
            f'{size} style="{style}">',
            f'<rect x="0.5" y="0.5" width="{_WIDTH - 1}" height="{height - 1}" rx="8" fill="{_GROUND}" '
            f'stroke="{_LINES}"/>',
            _text(26, _shortened(self.title, 80), f'fill="{_INK}" style="font-size: 15px; font-weight: 600"'),
            _text(47, _shortened(self.status), f'fill="{_INK}"'),
            *self._bar(),
            self._curves(),
            *(_text(top + 10 + _LINE * i, line, f'fill="{_QUIET}"') for i, line in enumerate(notes)),
        ]
        return "\n".join([*parts, "</svg>"])

    def _bar(self) -> list[str]:
        if self.share is None:
            return []
        full = _WIDTH - 2 * _MARGIN
        done = full * min(1.0, max(0.0, self.share))
        return [
            f'<rect x="{_MARGIN}" y="55" width="{width:.1f}" height="4" rx="2" fill="{color}"/>'
            for width, color in ((full, _LINES), (done, _BLUE))
        ]

    def _curves(self) -> str:
        if not self.curves:
            return ""
        place = f'x="{_MARGIN}" y="66" width="{_WIDTH - 2 * _MARGIN}" height="{_CURVES_HEIGHT - 12}"'
        return self.curves.replace("<svg", f"<svg {place}", 1)


def _text(y: int, text: str, attributes: str) -> str:
    return f'<text x="{_MARGIN}" y="{y}" {attributes}>{escape(plain_text(text))}</text>'


def _shortened(text: str, width: int = _COLUMNS) -> str:
    """One line of at most `width` columns."""
    text = " ".join(text.split())
    if columns(text) <= width:
        return text
    while columns(text) >= width:
        text = text[:-1]
    return text + "…"


def _broken(text: str) -> list[str]:
    """Lines of at most `_COLUMNS` columns, broken at spaces."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and columns(longer) <= _COLUMNS:
            lines[-1] = longer
        else:
            lines.append(_shortened(word))
    return lines

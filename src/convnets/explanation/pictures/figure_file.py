"""Figure files: a figure as PNG, as SVG or as a page of its own, by the file's ending."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from convnets.core.html.kit import Markup, note, page, render, section, white
from convnets.core.storage.files import atomic_path, write_text
from convnets.errors import UsageError
from convnets.evaluation.plots.drawing import svg_text

__all__ = ["ENDINGS", "check_picture_ending", "write_figure"]

ENDINGS = (".png", ".svg", ".html")


def check_picture_ending(path: Path, endings: tuple[str, ...] = ENDINGS) -> None:
    """Raise UsageError unless the file's ending is one of `endings`."""
    if path.suffix.lower() not in endings:
        raise UsageError(f"{path.name} ends in {path.suffix or 'nothing'!r}; allowed: {', '.join(endings)}")


def write_figure(path: Path | str, figure: Figure, title: str, words: str = "") -> Path:
    """Write `figure` as PNG (200 dots an inch), SVG or HTML, by the ending; returns the path.

    `title` is for screen readers and for the page, `words` stand below the picture on the page, several lines of
    them as a table. Folders on the way
    are made. Raises UsageError for another ending.
    """
    path = Path(path)
    check_picture_ending(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = path.suffix.lower()
    if kind == ".png":
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="png", dpi=200, facecolor="white")
        return path
    svg = svg_text(figure, title)
    if kind == ".html":  # on white: pictures and their scales do not change with light and dark
        write_text(path, page(title, section("", white(svg), _below(words))))
    else:
        write_text(path, svg)
    return path


def _below(words: str) -> Markup:
    if not words:
        return Markup()
    return render("<pre>{{ words }}</pre>", words=words) if "\n" in words else note(words)

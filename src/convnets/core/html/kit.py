"""The kit: cards for notebooks and pages for browsers, put together from the same pieces, in one style.

Every piece takes plain values, which are escaped, or markup that another piece made. Cards take their colors from the
page that they stand in, light or dark. Nothing holds scripts or fetches anything.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from convnets.core.display.text import plain_text

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = [
    "Markup",
    "bullets",
    "card",
    "cell",
    "details",
    "facts",
    "figure",
    "figures",
    "note",
    "page",
    "paragraph",
    "plot",
    "png",
    "render",
    "section",
    "settings_table",
    "share",
    "table",
    "text",
    "white",
]

_HERE = Path(__file__).parent
# the plots' own colors → the page's, which hold on light and dark
_INKS = {"#57606a": "currentColor", "#d8dee4": "#8884", "#0072b2": "var(--blue)", "#d55e00": "var(--orange)"}
_CELL = '<td{% if title %} title="{{ title }}"{% endif %}{% if style %} style="{{ style }}"{% endif %}>{{ words }}</td>'


class _Cell(Markup):
    """A whole `<td>`."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Any value as HTML text, also inside an attribute; what cannot be shown becomes �.

    >>> str(text("<b>&x"))
    '&lt;b&gt;&amp;x'
    """
    return value if isinstance(value, Markup) else escape(plain_text(value))


def render(source: str, **values: Any) -> Markup:
    """A Jinja template with the pieces of `kit.jinja` at hand as `kit`; values are escaped.

    >>> str(render("<b>{{ name }}</b>", name="a < b"))
    '<b>a &lt; b</b>'
    """
    return Markup(_template(source).render(**values))


def card(title: str, *parts: str, style: str = "") -> str:
    """What an object shows at the end of a notebook's cell; `style` adds rules of one kind of card.

    >>> card("x < y", note("a note")).endswith(
    ...     '<div class="title">x &lt; y</div><p class="note">a note</p></div>')
    True
    """
    return str(_piece("card", title, _texts(parts), _style("kit.css", extra=style)))


def page(title: str, *parts: str, heading: str | None = None, subtitle: str = "", style: str = "") -> str:
    """A whole document that needs no other file; scripts and fetches are forbidden by its policy."""
    everything = _style("kit.css", "page.css", extra=style)
    return str(_piece("page", title, heading or title, subtitle, _texts(parts), everything))


def section(title: str, *parts: str, kind: str = "") -> Markup:
    """A box of a page, with a heading unless the title is empty."""
    return _piece("section", title, _texts(parts), kind)


def details(title: str, *parts: str) -> Markup:
    """What is there when it is asked for."""
    return _piece("details", title, _texts(parts))


def paragraph(words: str, kind: str = "") -> Markup:
    """A paragraph."""
    return _piece("paragraph", words, kind)


def note(words: str) -> Markup:
    """A small paragraph that explains."""
    return paragraph(words, "note")


def bullets(items: Iterable[str]) -> Markup:
    """A list with bullets; nothing at all without items."""
    shown = list(items)
    return _piece("bullets", shown) if shown else Markup()


def facts(values: Mapping[str, object]) -> Markup:
    """Names and values."""
    return _piece("pairs", dict(values), "facts")


def figures(values: Mapping[str, object]) -> Markup:
    """Large figures with small names, for the head of a page."""
    return _piece("pairs", dict(values), "figures")


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    names: int = 1,
    words: bool = False,
    kind: str = "",
) -> Markup:
    """A table. The first columns are `names` (1 to 3), at the left; with `words` the last column is text that breaks.

    >>> "<td>a &lt; b</td><td>3</td>" in table(("name", "count"), [("a < b", 3)])
    True
    """
    classes = " ".join(filter(None, ("rows", f"names{names}", "words" * words, kind)))
    return _piece("table", head, [[_cell(value) for value in row] for row in rows], classes)


def cell(words: str, *, title: str = "", style: str = "") -> Markup:
    """A cell of `table` with words where the pointer rests on it, or a style of its own."""
    return _Cell(render(_CELL, words=words, title=title, style=style))


def share(part: float, words: str) -> Markup:
    """A cell of `table` with a bar behind its words, as long as `part` of the cell (0 to 1).

    >>> str(share(0.5, "half"))
    '<td class="share" style="--share: 50.0%">half</td>'
    """
    bar = f"--share: {100 * min(1.0, max(0.0, part)):.1f}%"
    return _Cell(Markup('<td class="share" style="{}">{}</td>').format(bar, text(words)))


def settings_table(values: Mapping[str, Any]) -> Markup:
    """Nested settings as two columns, `data.source` for a value inside another."""
    return _piece("settings", list(_flat(values)))


def png(content: bytes, label: str, width: int = 0, height: int = 0, kind: str = "") -> Markup:
    """An `<img>` that carries its own PNG; width and height in pixels on the page, 0 as it is."""
    return _piece("image", base64.b64encode(content).decode(), label, width, height, kind)


def figure(images: Sequence[str], caption: str) -> Markup:
    """Pictures with words below."""
    return _piece("figure", _texts(images), caption)


def plot(svg: str) -> Markup:
    """A plot of the library in the colors of what it stands in.

    >>> str(plot('<path stroke="#d8dee4" fill="#57606a"/>'))
    '<path stroke="#8884" fill="currentColor"/>'
    """
    return Markup(re.sub("|".join(_INKS), lambda found: _INKS[found[0]], svg))


def white(svg: str) -> Markup:
    """A figure whose colors are made for white paper, on white."""
    return render('<div class="white">{{ svg }}</div>', svg=Markup(svg))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else plain_text(value),
    )


@cache
def _template(source: str) -> Any:
    return _environment().from_string('{% import "kit.jinja" as kit %}' + source)


@cache
def _pieces() -> Any:
    return _environment().get_template("kit.jinja").module


def _piece(name: str, *arguments: object) -> Markup:
    found: Markup = getattr(_pieces(), name)(*arguments)
    return found


def _texts(parts: Iterable[str]) -> list[Markup]:
    return [text(part) for part in parts]


@cache
def _sheet(name: str) -> str:
    return (_HERE / name).read_text("utf-8")


def _style(*names: str, extra: str) -> Markup:
    return Markup("".join(map(_sheet, names)) + extra)


def _cell(value: object) -> Markup:
    return value if isinstance(value, _Cell) else Markup("<td>{}</td>").format(text(value))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _shown(value)


def _shown(value: Any) -> str:
    if value is None or value == {}:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_shown(each) for each in value) or "–"
    return str(value)

"""HTML for notebooks: the card in which an object shows itself at the end of a cell.

Cards take their colours from the page, light or dark; they hold no scripts and fetch nothing. Whatever a user could
have named or typed goes through `text`.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping, Sequence

from convnets.core.display.text import plain_text

__all__ = [
    "card",
    "details",
    "facts",
    "note",
    "paragraph",
    "png",
    "share",
    "svg_on_any_ground",
    "table",
    "text",
]

# colours that hold on light and dark grounds: the text's own, mixed with what is behind it
_STYLE = """
.convnets { font: 13px/1.45 system-ui, sans-serif; max-width: 100%; }
.convnets .title { font-weight: 600; font-size: 15px; margin: 0 0 4px; overflow-wrap: anywhere; }
.convnets p { margin: 4px 0; max-width: 100ch; overflow-wrap: anywhere; }
.convnets .note { opacity: 0.7; font-size: 12px; }
.convnets .rows { overflow: auto; max-height: 40em; margin: 6px 0; }
.convnets table { border-collapse: collapse; margin: 0; font-size: 12.5px;
  font-variant-numeric: tabular-nums; }
.convnets th, .convnets td { padding: 2px 8px; text-align: right; white-space: nowrap; vertical-align: middle;
  border: 0; border-bottom: 1px solid #8883; background: none; }
.convnets th { font-weight: 500; opacity: 0.8; }
.convnets th:first-child, .convnets td:first-child { text-align: left; padding-left: 0; }
.convnets .names2 :is(th, td):nth-child(-n+2), .convnets .names3 :is(th, td):nth-child(-n+3),
.convnets .words :is(th, td):last-child { text-align: left; }
.convnets .words td:last-child { white-space: normal; min-width: 30ch; }
.convnets td.share { background: linear-gradient(to left, #0072b255 var(--share), transparent 0); }
.convnets dl { display: grid; grid-template-columns: max-content 1fr; gap: 1px 14px; margin: 4px 0; }
.convnets dt { opacity: 0.7; font-weight: 400; } .convnets dd { margin: 0; overflow-wrap: anywhere; }
.convnets img { max-width: 100%; margin: 0; vertical-align: middle; image-rendering: pixelated; border-radius: 3px; }
.convnets svg { max-width: 100%; height: auto; }
.convnets summary { cursor: pointer; opacity: 0.8; margin: 4px 0; }
"""
_DRAWN_INK, _DRAWN_GRID = "#57606a", "#d8dee4"  # the plots' own, which light grounds show best


def text(value: object) -> str:
    """Any value as HTML text, also inside an attribute.

    >>> text("<b>&\\"x\\"")
    '&lt;b&gt;&amp;&quot;x&quot;'
    """
    return html.escape(plain_text(value))


def card(title: str, *parts: str, style: str = "") -> str:
    """A title and the parts below it, HTML already; `style` adds rules of one kind of card.

    >>> card("x < y", note("a note")).endswith(
    ...     '<div class="title">x &lt; y</div><p class="note">a note</p></div>')
    True
    """
    head = f'<div class="convnets"><style>{_STYLE}{style}</style><div class="title">{text(title)}</div>'
    return f"{head}{''.join(parts)}</div>"


def paragraph(words: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{text(words)}</p>"


def note(words: str) -> str:
    """A small paragraph that explains."""
    return f'<p class="note">{text(words)}</p>'


def facts(values: Mapping[str, object]) -> str:
    """Names and values, one pair below the other."""
    rows = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in values.items())
    return f"<dl>{rows}</dl>"


def details(summary: str, body: str) -> str:
    """What is there when it is asked for; `body` is HTML already."""
    return f"<details><summary>{text(summary)}</summary>{body}</details>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, names: int = 1, words: bool = False) -> str:
    """A table; cells of `rows` are HTML already, as `text` or `share` makes them.

    The first columns are `names` (1 to 3), which stand at the left; with `words` the last column is text that breaks.
    """
    top = "".join(f"<th>{text(name)}</th>" for name in head)
    body = "".join(
        f"<tr>{''.join(cell if cell.startswith('<td') else f'<td>{cell}</td>' for cell in row)}</tr>"
        for row in rows
    )
    kind = f"rows names{names}{' words' * words}"
    return f'<div class="{kind}"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def share(part: float, words: str) -> str:
    """A cell of `table` with a bar behind its words, as long as `part` of the cell (0 to 1).

    >>> share(0.5, "half")
    '<td class="share" style="--share: 50.0%">half</td>'
    """
    return f'<td class="share" style="--share: {100 * min(1.0, max(0.0, part)):.1f}%">{text(words)}</td>'


def png(content: bytes, label: str, width: int, height: int) -> str:
    """An `<img>` that carries its own PNG, `width` × `height` pixels on the page."""
    data = base64.b64encode(content).decode()
    return f'<img width="{width}" height="{height}" alt="{text(label)}" src="data:image/png;base64,{data}">'


def svg_on_any_ground(svg: str) -> str:
    """A plot of the library whose axes and letters take the colour of the page's text.

    >>> svg_on_any_ground('<path stroke="#d8dee4" fill="#57606a"/>')
    '<path stroke="#8884" fill="currentColor"/>'
    """
    return re.sub(_DRAWN_GRID, "#8884", re.sub(_DRAWN_INK, "currentColor", svg))

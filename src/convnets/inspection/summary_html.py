"""A summary as an HTML table for a notebook or a page: one element with its own style, nothing is fetched."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from convnets.inspection.layer_cost import LayerCost
from convnets.inspection.shown import (
    CONVENTION,
    FIELD_CONVENTION,
    MEMORY_CONVENTION,
    shown_bytes,
    shown_shape,
)
from convnets.inspection.summary_text import (
    ITEMS,
    chosen_layers,
    layer_label,
    shown_field,
    shown_parameters,
    totals,
)

if TYPE_CHECKING:
    from convnets.inspection.summary import NetworkSummary

__all__ = ["summary_html"]

# colours that hold on light and dark grounds: the text's own, mixed with what is behind it
_STYLE = """
.convnets-summary { font: 13px/1.45 system-ui, sans-serif; max-width: 100%; }
.convnets-summary .rows { overflow: auto; max-height: 40em; }
.convnets-summary table { border-collapse: collapse; font-size: 12.5px; font-variant-numeric: tabular-nums; }
.convnets-summary caption, .convnets-summary p { text-align: left; margin: 0 0 6px; }
.convnets-summary caption { font-weight: 600; font-size: 15px; }
.convnets-summary p { margin-top: 6px; max-width: 100ch; }
.convnets-summary p.note { opacity: 0.7; font-size: 12px; }
.convnets-summary th, .convnets-summary td { padding: 2px 6px; text-align: right; white-space: nowrap;
  border-bottom: 1px solid #8883; background: none; }
.convnets-summary thead th { position: sticky; top: 0; background: Canvas; font-weight: 500; }
.convnets-summary th:first-child, .convnets-summary td:first-child,
.convnets-summary th:nth-child(2), .convnets-summary td:nth-child(2) { text-align: left; }
.convnets-summary tr.block td { font-weight: 600; }
.convnets-summary td.share { background: linear-gradient(to left, #0072b255 var(--share), transparent 0); }
"""
_HEAD = ("layer", "kind", "output", "field", "parameters", "MACs", "FLOPs", "share", *ITEMS, "alive", "kept")


def summary_html(summary: NetworkSummary, depth: int | None = None) -> str:
    """A `<div>` with the table of `NetworkSummary.text(depth, items=True)`, its totals and its convention.

    What a layer was built with shows where the pointer rests on its kind.
    """
    title = f"{summary.network}, input {shown_shape(summary.input_shape)}"
    head = "".join(f"<th>{escape(name)}</th>" for name in _HEAD)
    rows = "".join(_row(layer) for layer in chosen_layers(summary, depth))
    below = "<br>".join(escape(line) for line in totals(summary))
    note = escape(" ".join([*CONVENTION, *MEMORY_CONVENTION, *FIELD_CONVENTION]))
    failed = "" if summary.failure is None else f"<p><b>Stops here:</b> {escape(str(summary.failure))}</p>"
    return (
        f'<div class="convnets-summary"><style>{_STYLE}</style><div class="rows"><table>'
        f"<caption>{escape(title)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        f'{failed}<p>{below}</p><p class="note">{note}</p></div>'
    )


def _row(layer: LayerCost) -> str:
    indent = f' style="padding-left: {0.6 + 1.4 * (layer.depth - 1):.1f}em"'
    output = "not called" if layer.call == 0 else shown_shape(layer.output_shape and layer.output_shape[1:])
    cells = [
        f"<td{indent}>{escape(layer_label(layer))}</td>",
        f'<td title="{escape(layer.settings)}">{escape(layer.kind)}</td>',
        *(f"<td>{escape(cell)}</td>" for cell in (output, shown_field(layer), shown_parameters(layer))),
        f"<td>{layer.macs:,}</td><td>{layer.flops:,}</td>",
        f'<td class="share" style="--share: {layer.share:.1%}">{layer.share:.1%}</td>',
        *(f"<td>{getattr(layer, field):,}</td>" for field in ITEMS.values()),
        f"<td>{shown_bytes(layer.peak_bytes) if layer.call else '–'}</td><td>{shown_bytes(layer.kept_bytes)}</td>",
    ]
    kind = ' class="block"' if layer.is_block else ""
    return f"<tr{kind}>{''.join(cells)}</tr>"

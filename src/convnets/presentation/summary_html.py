"""A summary as an HTML table for a notebook or a page: one element with its own style, nothing is fetched."""

from __future__ import annotations

from convnets.core.display.notebook_html import card, note, share, text
from convnets.inspection.cost.layer_cost import LayerCost
from convnets.inspection.cost.summary import NetworkSummary
from convnets.inspection.shown import (
    CONVENTION,
    FIELD_CONVENTION,
    MEMORY_CONVENTION,
    shown_bytes,
    shown_shape,
)
from convnets.presentation.summary_text import (
    ITEMS,
    chosen_layers,
    layer_label,
    shown_field,
    shown_parameters,
    totals,
)

__all__ = ["summary_html"]

_STYLE = """
.convnets .layers thead th { position: sticky; top: 0; opacity: 1;
  background: var(--jp-layout-color0, var(--vscode-editor-background, transparent)); }
.convnets .layers tr.block td { font-weight: 600; }
"""
_HEAD = ("layer", "kind", "output", "field", "parameters", "MACs", "FLOPs", "share", *ITEMS, "alive", "kept")


def summary_html(summary: NetworkSummary, depth: int | None = None) -> str:
    """A `<div>` with the table of `NetworkSummary.text(depth, items=True)`, its totals and its convention.

    What a layer was built with shows where the pointer rests on its kind.
    """
    title = f"{summary.network}, input {shown_shape(summary.input_shape)}"
    head = "".join(f"<th>{text(name)}</th>" for name in _HEAD)
    rows = "".join(_row(layer) for layer in chosen_layers(summary, depth))
    below = "<br>".join(text(line) for line in totals(summary))
    failed = "" if summary.failure is None else f"<p><b>Stops here:</b> {text(summary.failure)}</p>"
    return card(
        title,
        f'<div class="rows names2 layers"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>',
        f"{failed}<p>{below}</p>",
        note(" ".join([*CONVENTION, *MEMORY_CONVENTION, *FIELD_CONVENTION])),
        style=_STYLE,
    )


def _row(layer: LayerCost) -> str:
    indent = f' style="padding-left: {0.6 + 1.4 * (layer.depth - 1):.1f}em"'
    output = "not called" if layer.call == 0 else shown_shape(layer.output_shape and layer.output_shape[1:])
    cells = [
        f"<td{indent}>{text(layer_label(layer))}</td>",
        f'<td title="{text(layer.settings)}">{text(layer.kind)}</td>',
        *(f"<td>{text(cell)}</td>" for cell in (output, shown_field(layer), shown_parameters(layer))),
        f"<td>{layer.macs:,}</td><td>{layer.flops:,}</td>",
        share(layer.share, f"{layer.share:.1%}"),
        *(f"<td>{getattr(layer, field):,}</td>" for field in ITEMS.values()),
        f"<td>{shown_bytes(layer.peak_bytes) if layer.call else '–'}</td><td>{shown_bytes(layer.kept_bytes)}</td>",
    ]
    kind = ' class="block"' if layer.is_block else ""
    return f"<tr{kind}>{''.join(cells)}</tr>"

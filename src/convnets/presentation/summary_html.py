"""A summary as an HTML table for a notebook or a page: one element with its own style, nothing is fetched."""

from __future__ import annotations

from convnets.core.html.kit import card, cell, note, paragraph, render, share, table
from convnets.inspection.cost.layer_cost import LayerCost
from convnets.inspection.cost.summary import NetworkSummary
from convnets.inspection.formatting import (
    CONVENTION,
    FIELD_CONVENTION,
    MEMORY_CONVENTION,
    format_bytes,
    format_shape,
)
from convnets.presentation.summary_text import (
    ITEMS,
    chosen_layers,
    format_field,
    format_parameters,
    layer_label,
    totals,
)

__all__ = ["summary_html"]

_HEAD = ("layer", "kind", "output", "field", "parameters", "MACs", "FLOPs", "share", *ITEMS, "alive", "kept")


def summary_html(summary: NetworkSummary, depth: int | None = None) -> str:
    """A `<div>` with the table of `NetworkSummary.text(depth, items=True)`, its totals and its convention.

    What a layer was built with shows where the pointer rests on its kind.
    """
    layers = chosen_layers(summary, depth)
    failed = [] if summary.failure is None else [paragraph(f"Stops here: {summary.failure}")]
    return card(
        f"{summary.network}, input {format_shape(summary.input_shape)}",
        table(_HEAD, map(_cells, layers), names=2, kind="layers"),
        *failed,
        *(paragraph(line) for line in totals(summary)),
        note(" ".join([*CONVENTION, *MEMORY_CONVENTION, *FIELD_CONVENTION])),
    )


def _cells(layer: LayerCost) -> list[str]:
    output = "not called" if layer.call == 0 else format_shape(layer.output_shape and layer.output_shape[1:])
    label = render("<b>{{ label }}</b>", label=layer_label(layer)) if layer.is_block else layer_label(layer)
    return [
        cell(label, style=f"padding-left: {0.6 + 1.4 * (layer.depth - 1):.1f}em"),
        cell(layer.kind, title=layer.settings),
        output,
        format_field(layer),
        format_parameters(layer),
        f"{layer.macs:,}",
        f"{layer.flops:,}",
        share(layer.share, f"{layer.share:.1%}"),
        *(f"{getattr(layer, field):,}" for field in ITEMS.values()),
        format_bytes(layer.peak_bytes) if layer.call else "–",
        format_bytes(layer.kept_bytes),
    ]

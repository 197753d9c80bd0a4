"""A summary as a text table, its totals and its convention below."""

from __future__ import annotations

from collections.abc import Sequence

from convnets.core.display.text_table import aligned
from convnets.inspection.cost.layer_cost import LayerCost
from convnets.inspection.cost.parts import top_level_parts
from convnets.inspection.cost.summary import NetworkSummary
from convnets.inspection.formatting import (
    CONVENTION,
    FIELD_CONVENTION,
    MEMORY_CONVENTION,
    format_bytes,
    format_shape,
)

__all__ = [
    "ITEMS",
    "chosen_layers",
    "format_field",
    "format_parameters",
    "layer_label",
    "summary_text",
    "totals",
]

ITEMS = {
    "bias": "bias_operations",
    "norm": "norm_operations",
    "pooling": "pooling_operations",
    "element-wise": "elementwise_operations",
}
"""Work beside the MACs: the column's head, and the field of LayerCost and NetworkSummary."""


def summary_text(summary: NetworkSummary, depth: int | None, *, items: bool) -> str:
    """The table, totals, what was not counted, and what the columns mean."""
    head = ["layer", "kind", "output", "parameters", "MACs", "FLOPs", "share"]
    head += [*ITEMS] if items else []
    head += ["alive", "kept"]
    chosen = chosen_layers(summary, depth)
    rows = [_row(layer, items=items) for layer in chosen]
    seeing = any(layer.field_size is not None for layer in chosen)
    if seeing:
        head.insert(3, "field")
        for row, layer in zip(rows, chosen, strict=True):
            row.insert(3, format_field(layer))
    if summary.failure is not None:  # where the pass ended, no layer has begun after it
        rows[-1][2] = "fails"
    table = aligned(head, rows, right=range(2, len(head)))
    title = f"{summary.network}, input {format_shape(summary.input_shape)}"
    parts = [title, table, *totals(summary), "", *CONVENTION, *MEMORY_CONVENTION]
    parts += FIELD_CONVENTION if seeing else ()
    return "\n".join(parts)


def chosen_layers(summary: NetworkSummary, depth: int | None) -> tuple[LayerCost, ...]:
    """Rows down to a depth: 1 is the top-level parts, None everything."""
    if depth == 1:
        return top_level_parts(summary.network, summary.layers)
    return tuple(layer for layer in summary.layers if depth is None or layer.depth <= depth)


def _row(layer: LayerCost, *, items: bool) -> list[str]:
    output = "not called" if layer.call == 0 else format_shape(layer.output_shape and layer.output_shape[1:])
    row = [
        "  " * (layer.depth - 1) + layer_label(layer),
        layer.kind,
        output,
        format_parameters(layer),
        f"{layer.macs:,}",
        f"{layer.flops:,}",
        f"{layer.share:.1%}",
    ]
    row += [f"{getattr(layer, field):,}" for field in ITEMS.values()] if items else []
    return [*row, format_bytes(layer.peak_bytes) if layer.call else "–", format_bytes(layer.kept_bytes)]


def layer_label(layer: LayerCost) -> str:
    """Its path; inside a block, the path within."""
    name = layer.name if layer.depth == 1 else layer.name.rpartition(".")[2]
    return (name or "(itself)") + (f" (call {layer.call})" if layer.call > 1 else "")


def format_field(layer: LayerCost) -> str:
    """Its receptive field, marked where it is larger than the image, and where it is at most that."""
    return "≤" * (not layer.field_exact) + format_shape(layer.field_size) + "*" * layer.field_exceeds


def format_parameters(layer: LayerCost) -> str:
    """How many it has, or that all of them have been counted before."""
    shared = layer.shared_parameters and not layer.parameters
    return "shared" if shared else f"{layer.parameters:,}"


def totals(summary: NetworkSummary) -> list[str]:
    """Lines below the table."""
    lines = [f"{summary.parameters:,} parameters"]
    if summary.frozen_parameters:
        lines[0] += (
            f", {summary.trainable_parameters:,} of them trainable, {summary.frozen_parameters:,} frozen"
        )
    lines[0] += f" ({format_bytes(summary.weight_bytes)} with buffers)"
    lines.append(f"{summary.macs:,} MACs, {summary.flops:,} FLOPs")
    beside = [f"{getattr(summary, field):,} {name}" for name, field in ITEMS.items()]
    lines.append(f"beside them, in operations: {', '.join(beside)}")
    kept = (
        "" if summary.kept_bytes is None else f", {format_bytes(summary.kept_bytes)} kept for a training step"
    )
    lines.append(
        f"activations of one image: {format_bytes(summary.peak_bytes)} at the peak of evaluation{kept}"
    )
    if summary.uncounted:
        lines.append(f"not counted: {_uncounted(summary.uncounted)}")
    return lines


def _uncounted(found: Sequence[tuple[str, str]]) -> str:
    names: dict[str, list[str]] = {}
    for operator, layer in found:
        names.setdefault(operator, []).append(layer or "the network itself")
    return "; ".join(f"{name} in {', '.join(dict.fromkeys(layers))}" for name, layers in names.items())

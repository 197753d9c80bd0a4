"""Difference: two networks' layers added, removed and changed, and their totals side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, takewhile
from typing import Any

from convnets.core.display.text_table import aligned
from convnets.core.html.kit import card, note, paragraph, table
from convnets.inspection.cost.alignment import align
from convnets.inspection.cost.layer_cost import LayerCost
from convnets.inspection.cost.summary import NetworkSummary
from convnets.inspection.formatting import CONVENTION, MEMORY_CONVENTION, format_bytes, format_shape

__all__ = ["LayerChange", "NetworkDiff", "diff"]

_HEAD = ("", "layer", "kind", "what")
_SIGNS = {"added": "+", "removed": "−", "changed": "~"}
_COUNTS = {
    "parameters": "parameters",
    "MACs": "macs",
    "FLOPs": "flops",
    "biases, operations": "bias_operations",
    "norms, operations": "norm_operations",
    "pooling, operations": "pooling_operations",
    "element-wise, operations": "elementwise_operations",
}
_BYTES = {"weights": "weight_bytes", "alive at the peak": "peak_bytes", "kept for a step": "kept_bytes"}


@dataclass(frozen=True)
class LayerChange:
    """One layer that is not the same in both networks."""

    change: str
    """added, removed or changed."""
    before: LayerCost | None
    """The layer in the first network; None where it is added."""
    after: LayerCost | None
    """The layer in the second network; None where it is removed."""
    what: tuple[str, ...]
    """Settings, then shape, of a changed layer: such as `kernel_size: (3, 3) → (5, 5)`."""

    @property
    def only_sees_another_shape(self) -> bool:
        """Whether it is built the same and the layers before it give it another shape."""
        return self.change == "changed" and not any(not each.startswith("output: ") for each in self.what)


@dataclass(frozen=True)
class NetworkDiff:
    """What makes the second network of the first."""

    before: NetworkSummary
    after: NetworkSummary
    changes: tuple[LayerChange, ...]
    """In the order in which the layers run."""
    unchanged: int
    """Layers that are built the same and give the same shape."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: totals of both networks and every change, no whole listings."""
        sides = (("before", self.before), ("after", self.after))
        return {
            **{side: _side(summary) for side, summary in sides},
            "unchanged": self.unchanged,
            "changes": [asdict(change) for change in self.changes],
        }

    def __repr__(self) -> str:
        return f"NetworkDiff({self.before.network} → {self.after.network}: {len(self.changes)} changes)"

    def __str__(self) -> str:
        shown = self._shown()
        lines = [f"{self.before.network} → {self.after.network}"]
        if shown:
            lines.append(aligned(_HEAD, shown))
        head, rows = self._totals()
        lines += [self._same(), "", aligned(head, rows, right=(1, 2, 3)), ""]
        return "\n".join([*lines, *CONVENTION, *MEMORY_CONVENTION])

    def _repr_html_(self) -> str:
        changes = self._shown()
        head, rows = self._totals()
        return card(
            f"{self.before.network} → {self.after.network}",
            table(_HEAD, changes, names=3, words=True) if changes else "",
            paragraph(self._same()),
            table(head, rows),
            note(" ".join([*CONVENTION, *MEMORY_CONVENTION])),
        )

    def _shown(self) -> list[list[str]]:
        """Cells of the changes, equal rows once; layers that only see another shape are left out."""
        shown = [change for change in self.changes if not change.only_sees_another_shape]
        whole = {
            **_whole_blocks(self.before, shown, "removed"),
            **_whole_blocks(self.after, shown, "added"),
        }
        return [cells for cells, _ in groupby(_cells(whole.get(id(change), change)) for change in shown)]

    def _same(self) -> str:
        quiet = sum(change.only_sees_another_shape for change in self.changes)
        also = f", {quiet:,} more see another shape alone" if quiet else ""
        return f"{self.unchanged:,} layers are the same{also}"

    def _totals(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        head = ("", self.before.network, self.after.network, "times")
        rows = [("input", *(format_shape(each.input_shape) for each in (self.before, self.after)), "")]
        for names, shown in ((_COUNTS, "{:,}".format), (_BYTES, format_bytes)):
            for name, field in names.items():
                one, other = getattr(self.before, field), getattr(self.after, field)
                times = f"{other / one:.3g}" if one and other is not None else "–"
                rows.append((name, shown(one), shown(other), times))
        return head, rows


def diff(before: NetworkSummary, after: NetworkSummary) -> NetworkDiff:
    """Set two networks that `inspect` took apart side by side.

    Layers are paired in the order in which they run, those of one kind that are most alike; names need not agree.

    >>> from torch import nn
    >>> from convnets.inspection.cost.summary import inspect
    >>> small = inspect(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), (1, 8, 8))
    >>> large = inspect(nn.Sequential(nn.Conv2d(1, 4, 5), nn.BatchNorm2d(4), nn.ReLU()), (1, 8, 8))
    >>> [(change.change, change.what) for change in diff(small, large).changes][:2]
    [('changed', ('kernel_size: (3, 3) → (5, 5)', 'output: 4×6×6 → 4×4×4')), ('added', ())]
    """
    leaves = [
        [layer for layer in each.layers if not layer.is_block and layer.call] for each in (before, after)
    ]
    changes, unchanged = [], 0
    for one, other in align(leaves[0], leaves[1]):
        if one is None:
            changes.append(LayerChange("added", None, other, ()))
        elif other is None:
            changes.append(LayerChange("removed", one, None, ()))
        elif what := _what(one, other):
            changes.append(LayerChange("changed", one, other, what))
        else:
            unchanged += 1
    return NetworkDiff(before, after, tuple(changes), unchanged)


def _what(one: LayerCost, other: LayerCost) -> tuple[str, ...]:
    settings = [_settings(one), _settings(other)]
    keys = list(dict.fromkeys([*settings[0], *settings[1]]))
    pairs = [(key, settings[0].get(key, "–"), settings[1].get(key, "–")) for key in keys]
    what = [f"{'' if key.isdecimal() else f'{key}: '}{a} → {b}" for key, a, b in pairs if a != b]
    shapes = [each.output_shape and each.output_shape[1:] for each in (one, other)]
    if shapes[0] != shapes[1]:
        what.append(f"output: {format_shape(shapes[0])} → {format_shape(shapes[1])}")
    return tuple(what)


def _settings(layer: LayerCost) -> dict[str, str]:
    """`3, 8, kernel_size=(3, 3)` → {"0": "3", "1": "8", "kernel_size": "(3, 3)"}."""
    parts = re.split(r",\s*(?![^(]*\))", layer.settings) if layer.settings else []
    found = {}
    for place, part in enumerate(parts):
        name, separator, value = part.partition("=")
        found[name.strip() if separator else str(place)] = value.strip() if separator else part.strip()
    return found


def _whole_blocks(
    summary: NetworkSummary, changes: Sequence[LayerChange], kind: str
) -> dict[int, LayerChange]:
    """For a layer of which a whole block was added or removed with it: that block's change, by the layer's identity."""
    found: dict[int, LayerChange] = {}
    own = {id(change.before or change.after): change for change in changes if change.change == kind}
    for place, block in enumerate(summary.layers):
        leaves = _leaves(block, summary.layers[place + 1 :])
        if len(leaves) < 2 or any(id(layer) not in own or id(own[id(layer)]) in found for layer in leaves):
            continue
        before, after = (block, None) if kind == "removed" else (None, block)
        change = LayerChange(kind, before, after, (f"{len(leaves)} layers",))
        found.update({id(own[id(layer)]): change for layer in leaves})
    return found


def _leaves(block: LayerCost, following: Sequence[LayerCost]) -> list[LayerCost]:
    inside = takewhile(lambda layer: layer.depth > block.depth, following)
    return [layer for layer in inside if not layer.is_block and layer.call]


def _cells(change: LayerChange) -> list[str]:
    layer = change.after or change.before
    assert layer is not None
    names = [each.name or "(itself)" for each in (change.before, change.after) if each is not None]
    what = "; ".join(change.what)
    if change.change != "changed":
        shape = format_shape(layer.output_shape and layer.output_shape[1:])
        what = "; ".join([*change.what, *([layer.settings] if layer.settings else []), f"output: {shape}"])
    return [_SIGNS[change.change], " → ".join(dict.fromkeys(names)), layer.kind, what]


def _side(summary: NetworkSummary) -> dict[str, Any]:
    content = summary.to_dict()
    del content["layers"]
    return content

"""What if the image had another size: work and memory at each, or the layer that breaks and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from convnets.core.display.text_table import aligned
from convnets.core.html.kit import card, note, table
from convnets.errors import InputError, LayerError
from convnets.inspection.cost.summary import NetworkSummary, inspect
from convnets.inspection.formatting import CONVENTION, format_bytes, format_shape

__all__ = ["SizeRow", "SizeTable", "size_table"]

_HEAD = ("input", "output", "MACs", "FLOPs", "alive", "kept", "breaks at")


@dataclass(frozen=True)
class SizeRow:
    """One size. Work and memory are for one image, and None where the network does not take it."""

    input_shape: tuple[int, ...]
    """C×H×W."""
    output_shape: tuple[int, ...] | None
    """With N."""
    macs: int | None
    flops: int | None
    peak_bytes: int | None
    """Most bytes of activations alive at one time in evaluation mode."""
    kept_bytes: int | None
    """Bytes that autograd keeps for the backward pass."""
    breaks_at: str | None
    """Path of the layer that cannot take it; empty where the network itself refuses it, None where it fits."""
    why: str
    """What broke; empty where it fits."""


@dataclass(frozen=True)
class SizeTable:
    """A network as it is, run on images of several sizes."""

    network: str
    parameters: int
    rows: tuple[SizeRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        rows = [_cells(row) for row in self.rows]
        return "\n".join([self._title(), aligned(_HEAD, rows, right=range(1, 6)), "", *CONVENTION])

    def _repr_html_(self) -> str:
        rows = [_cells(row) for row in self.rows]
        return card(self._title(), table(_HEAD, rows, words=True), note(" ".join(CONVENTION)))

    def _title(self) -> str:
        return f"{self.network}, {self.parameters:,} parameters"


def size_table(network: nn.Module, sizes: Sequence[int | Sequence[int]]) -> SizeTable:
    """`inspect` at each of these sizes, as `inspect` takes them; a size that breaks has a row that says why.

    >>> table = size_table(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), [(1, 2, 2), (1, 3, 3)])
    >>> [(row.macs, row.breaks_at) for row in table.rows]
    [(8, None), (None, '1')]
    """
    known = getattr(network, "architecture", None)
    return SizeTable(
        type(network).__name__ if known is None else known.name,
        sum(weight.numel() for weight in network.parameters()),
        tuple(_row(network, size) for size in sizes),
    )


def _row(network: nn.Module, size: int | Sequence[int]) -> SizeRow:
    try:
        found = inspect(network, size, fields=False)
    except LayerError as broken:
        partial = broken.partial
        assert isinstance(partial, NetworkSummary)
        return SizeRow(partial.input_shape, None, None, None, None, None, broken.layer, str(partial.failure))
    except InputError as error:
        shape = (size,) if isinstance(size, int) else tuple(size)
        return SizeRow(shape, None, None, None, None, None, "", str(error))
    return SizeRow(
        found.input_shape,
        found.output_shape,
        found.macs,
        found.flops,
        found.peak_bytes,
        found.kept_bytes,
        None,
        "",
    )


def _cells(row: SizeRow) -> list[str]:
    if row.breaks_at is not None:
        return [format_shape(row.input_shape), "–", "–", "–", "–", "–", row.why]
    return [
        format_shape(row.input_shape),
        format_shape(row.output_shape and row.output_shape[1:]),
        f"{row.macs:,}",
        f"{row.flops:,}",
        format_bytes(row.peak_bytes),
        format_bytes(row.kept_bytes),
        "",
    ]

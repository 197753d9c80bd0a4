"""Seen boxes: the pixels of the network's input that each unit of a layer can see, by its exact receptive field."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from convnets.errors import InputError
from convnets.explanation.capture.calls import LayerCall
from convnets.explanation.capture.capture import plain_network
from convnets.inspection.receptive_field.fields import AxisField, ReceptiveField, receptive_fields

__all__ = ["SeenBoxes", "seen_boxes"]


@dataclass(frozen=True)
class SeenBoxes:
    """Where the units of one layer look."""

    rows: AxisField
    columns: AxisField
    exact: bool
    """False where the boxes are upper bounds (see `ReceptiveField`)."""

    def inside(self, row: int, column: int) -> tuple[int, int, int, int]:
        """First row, row after the last, first column, column after the last: the part inside the image.

        All zeros where the unit sees padding only.
        """
        (top, bottom), (left, right) = _span(self.rows, row), _span(self.columns, column)
        if bottom < top or right < left:
            return 0, 0, 0, 0
        return top, bottom + 1, left, right + 1

    def offset(self, row: int, column: int) -> tuple[int, int]:
        """Rows and columns of the field that lie in the padding before the first pixel it sees of the image."""
        top, _, left, _ = self.inside(row, column)
        return _before(self.rows, row, top), _before(self.columns, column, left)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a field, padding included; at most the image's where it is larger."""
        return min(self.rows.size, self.rows.side), min(self.columns.size, self.columns.side)

    def shown(self, row: int, column: int) -> tuple[int, int]:
        """Height and width that a patch is shown in: the whole field, or the part inside where that is not told.

        A field that is larger than the image, or not the same for every unit, is shown without what lies outside.
        """
        top, bottom, left, right = self.inside(row, column)
        return _shown(self.rows, bottom - top), _shown(self.columns, right - left)


def seen_boxes(network: nn.Module, call: LayerCall, image: tuple[int, ...]) -> SeenBoxes:
    """The boxes of the units of `call` for an image of C×H×W. Raises InputError where they cannot be told."""
    fields = [field for field in receptive_fields(plain_network(network), image) if len(field.axes) == 2]
    found = _field_of(call, fields)
    if found is None or call.shape is None or len(found.shape) != len(call.shape):
        raise InputError(
            f"it cannot be told what the units of {call.name} see of the image; choose a layer of "
            f"{', '.join(field.name for field in fields[:6])} …"
        )
    rows, columns = found.axes
    return SeenBoxes(rows, columns, found.exact)


def _field_of(call: LayerCall, fields: list[ReceptiveField]) -> ReceptiveField | None:
    """The operation of the same name; of a block the last one inside, if that gives what the block gives."""
    by_name = {field.name: field for field in fields}
    if call.name in by_name:
        return by_name[call.name]
    inside = [field for field in fields if field.name.startswith(f"{call.path}.")]
    return inside[-1] if inside and inside[-1].shape[1:] == (call.shape or ())[1:] else None


def _span(axis: AxisField, place: int) -> tuple[int, int]:
    return axis.spans[place if len(axis.spans) > 1 else 0]


def _before(axis: AxisField, place: int, first: int) -> int:
    if axis.stride is None or not _is_regular(axis):
        return 0
    return first - round(axis.start + place * axis.stride) if len(axis.spans) > 1 else first - axis.start


def _shown(axis: AxisField, inside: int) -> int:
    return axis.size if _is_regular(axis) else inside


def _is_regular(axis: AxisField) -> bool:
    return axis.stride is not None and axis.size <= axis.side

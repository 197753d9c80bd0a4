"""What is not an image: rows of a table, or series. One route to a run takes both.

An example set knows its length, `subset`, `targets` and `content_hash`; an encoder turns it into a network's input,
batch by batch, and travels in the model folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convnets.errors import DataError
from convnets.series.series_encoder import SeriesEncoder
from convnets.series.series_set import SeriesSet
from convnets.tables.encoded_rows import Inputs
from convnets.tables.table_encoder import TableEncoder
from convnets.tables.table_set import TableSet

__all__ = ["ExampleEncoder", "ExampleSet", "encoded", "encoder_from_dict", "kind_of"]

ExampleSet = TableSet | SeriesSet
ExampleEncoder = TableEncoder | SeriesEncoder

KINDS = ("table", "series")
"""What model folders and runs say that their examples are, beside images."""


def kind_of(examples: ExampleSet | ExampleEncoder) -> str:
    """`table` or `series`."""
    return "series" if isinstance(examples, SeriesSet | SeriesEncoder) else "table"


def encoded(examples: ExampleSet, encoder: ExampleEncoder) -> Inputs:
    """The network's input of every example. Raises DataError where they are of another kind, or lack something."""
    if isinstance(examples, SeriesSet) and isinstance(encoder, SeriesEncoder):
        return encoder.encode(examples)
    if isinstance(examples, TableSet) and isinstance(encoder, TableEncoder):
        return encoder.encode(examples)
    raise DataError(
        f"{examples.source} is a {kind_of(examples)}, and the model was trained on a {kind_of(encoder)}"
    )


def encoder_from_dict(kind: str, values: Mapping[str, Any]) -> ExampleEncoder:
    """The inverse of an encoder's `to_dict`. Raises ConfigError for anything else."""
    return SeriesEncoder.from_dict(values) if kind == "series" else TableEncoder.from_dict(values)

"""Readers of rows: a request's rows or series as the examples that `predict` takes. N examples, D numbers of each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from torch import Tensor

from convnets.series.examples import ExampleSet, encoded
from convnets.series.series_encoder import SeriesEncoder
from convnets.serving.http.limits import Limits
from convnets.serving.http.refusal import Refusal
from convnets.serving.http.rows.cells import column_of, take_new_categories
from convnets.serving.http.rows.row_bodies import ROWS_TO_A_PLACE, SentCells, cells_of, check_count
from convnets.serving.http.rows.series_bodies import series_of_body, series_of_tensor
from convnets.serving.http.tensors import SentTensor, texts
from convnets.tables.column_encoders import Categories
from convnets.tables.table_encoder import TableEncoder
from convnets.tables.table_set import TableSet

__all__ = ["RowReader"]

NEW = "new_categories"
"""Name of the option in the address that says what becomes of categories that were never learned."""


@dataclass(frozen=True)
class RowReader:
    """Reads the rows or series of a request by the encoder that prediction takes."""

    encoder: TableEncoder | SeriesEncoder
    width: int
    """Numbers of an encoded example."""

    async def sent(self, request: Request, limits: Limits, pool: Executor) -> ExampleSet:
        """The examples of a request. Raises Refusal 413, 415 or 422, and ClientDisconnect where the client has gone."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        body, options = await request.body(), dict(request.query_params)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(pool, self.read, kind, body, options, limits)

    def read(self, kind: str, body: bytes, options: Mapping[str, str], limits: Limits) -> ExampleSet:
        """The examples of a body of that content type; takes a while, so call it in a thread."""
        new = take_new_categories(options.get(NEW, "refuse"))
        if isinstance(self.encoder, SeriesEncoder):
            return series_of_body(self.encoder, kind, body, limits)
        names = [each.name for each in self.encoder.columns]
        return self._table(cells_of(kind, body, names, self.encoder.notation, limits), new=new)

    def received(
        self, inputs: Sequence[SentTensor], limits: Limits, options: Mapping[str, str]
    ) -> ExampleSet:
        """The examples of the Open Inference Protocol's inputs: a tensor for each column, or one of series."""
        if isinstance(self.encoder, SeriesEncoder):
            return series_of_tensor(self.encoder, inputs, limits)
        by_name = {each.name: each for each in inputs}
        columns: dict[str, list[Any]] = {}
        for each in self.encoder.columns:
            if each.name not in by_name:
                raise Refusal(422, f"no input called {each.name[:60]!r}; send a tensor for each column")
            found = by_name[each.name]
            cells = found.contents() if found.datatype == "BYTES" else found.array().reshape(-1).tolist()
            columns[each.name] = texts(cells) if found.datatype == "BYTES" else cells
        counts = {len(cells) for cells in columns.values()}
        if len(counts) > 1:
            raise Refusal(422, f"the inputs have {sorted(counts)} elements; each needs as many as the others")
        new = take_new_categories(options.get(NEW, "refuse"))
        return self._table(SentCells(columns, check_count(counts.pop(), limits), None), new=new)

    def _table(self, cells: SentCells, *, new: bool) -> TableSet:
        assert isinstance(self.encoder, TableEncoder)
        columns = tuple(
            column_of(each, cells.columns[each.name], new=new, notation=cells.notation)
            for each in self.encoder.columns
        )
        return TableSet(columns, (), "the request")

    def room(self, sent: ExampleSet) -> tuple[int, int]:
        """Places in the queue, and bytes of the encoded examples."""
        return -(-len(sent) // self._to_a_place), 4 * self.width * len(sent)

    def decode(self, sent: ExampleSet, _: Limits) -> list[Tensor]:
        """float32 n×D, or n×C×L, for each place."""
        rows, each = encoded(sent, self.encoder), self._to_a_place
        return [rows[start : start + each] for start in range(0, len(sent), each)]

    @property
    def _to_a_place(self) -> int:
        """Long series are as much work as pictures."""
        return ROWS_TO_A_PLACE if isinstance(self.encoder, TableEncoder) else 1

    def tensors(self) -> list[dict[str, Any]]:
        """Inputs, as the Open Inference Protocol names them."""
        if isinstance(self.encoder, SeriesEncoder):
            shape = [-1, len(self.encoder.channels), self.encoder.length]
            return [{"name": "series", "datatype": "FP64", "shape": shape}]
        return [
            {
                "name": each.name,
                "datatype": "BYTES" if isinstance(each, Categories) or each.kind == "date" else "FP64",
                "shape": [-1],
            }
            for each in self.encoder.columns
        ]

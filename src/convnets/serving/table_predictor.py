"""A network for tables put to use: evaluated beside baselines, asked about new rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from convnets.checkpoints.model_source import resolve_model_folder
from convnets.checkpoints.onnx_model import is_onnx
from convnets.checkpoints.table_model import TableModel, holds_table_model, load_table_model
from convnets.core.hardware import Hardware
from convnets.errors import DataError, RunError, UsageError
from convnets.evaluation.baselines import evaluate_baselines, figures_of
from convnets.evaluation.comparison_table import compare_baselines
from convnets.evaluation.evaluate_rows import answer_rows, evaluate_rows
from convnets.evaluation.evaluation import Evaluation
from convnets.evaluation.numbers import NumbersEvaluation
from convnets.explanation.columns.segments import Segments, evaluate_segments
from convnets.series.examples import ExampleSet, encoded, kind_of
from convnets.series.series_options import SeriesOptions
from convnets.serving.segment_column import column_beside
from convnets.tables.table_encoder import TableEncoder
from convnets.tables.table_options import TableOptions
from convnets.tables.table_set import Column
from convnets.training.objectives.numbers import LOSS_FUNCTIONS
from convnets.training.resuming.further import run_at
from convnets.training.tables.table_task import split_rows, table_again

__all__ = ["JudgedTable", "RowPrediction", "TablePredictor", "is_for_tables"]


def is_for_tables(source: Path | str) -> bool:
    """Whether a run or model folder holds a network for tables."""
    if is_onnx(source):
        return False
    try:
        return holds_table_model(resolve_model_folder(source))
    except RunError:
        return False


@dataclass(frozen=True)
class RowPrediction:
    """What is said of one row."""

    row: int
    """From 1."""
    values: dict[str, str | float]
    """By the target's name: a class, or a number in its own unit; each quantile as `NAME q0.9`."""
    probability: float | None = None
    """Of the class; None for numbers."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON and CSV, probability last where there is one."""
        sure = {} if self.probability is None else {"probability": self.probability}
        return {"row": self.row, **self.values, **sure}


@dataclass(frozen=True)
class JudgedTable:
    """A trained model, the rows it was judged on, and how it did beside simple models."""

    model: TableModel
    table: ExampleSet
    part: str
    evaluation: Evaluation | NumbersEvaluation
    figures: dict[str, dict[str, float | None]]
    """By model, the network's first; alone where the training rows are gone."""
    note: str = ""
    """Why there are no baselines."""
    segments: Segments | None = None
    """The network's measures by the values of one column, where that was asked for."""

    def __str__(self) -> str:
        beside = (
            compare_baselines(next(iter(self.figures)), self.figures) if len(self.figures) > 1 else self.note
        )
        by_segment = "" if self.segments is None else f"\n\n{self.segments}"
        return f"{self.evaluation}\n\n{beside}{by_segment}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "part": self.part,
            "source": self.table.source,
            **self.evaluation.to_dict(),
            "models": self.figures,
            **({} if self.segments is None else {"segments": self.segments.to_dict()}),
        }


class TablePredictor:
    """A network, how rows become its input, and the run that it is of, if any."""

    def __init__(self, model: TableModel, source: str, hardware: Hardware | None = None) -> None:
        self.model, self.source, self.hardware = model, source, hardware
        self.run = run_at(source) if Path(source).is_dir() else None

    @classmethod
    def load(cls, source: Path | str, hardware: Hardware | None = None) -> TablePredictor:
        """Of a run or a model folder. Raises what `load_table_model` raises."""
        device = "cpu" if hardware is None else hardware.device
        return cls(load_table_model(resolve_model_folder(source), device), str(source), hardware)

    @property
    def name(self) -> str:
        """The network's name."""
        known = self.model.architecture
        return type(self.model.network).__name__ if known is None else str(known["name"])

    def predict(self, data: str | Path | Any) -> list[RowPrediction]:
        """What the network says of each row of a CSV or Parquet file, a DataFrame or an array.

        Columns are found by name, in any order; further ones are passed over. Raises DataError where one is missing
        or a cell is not what it was in training.
        """
        table = data if isinstance(data, ExampleSet) else self.model.encoder.read(data)
        answers = self._answers(table)
        if self.model.classes:
            best = answers.softmax(1).max(1)
            return [
                RowPrediction(row, {self.model.target.names[0]: self.model.classes[place]}, probability)
                for row, (place, probability) in enumerate(
                    zip(best.indices.tolist(), best.values.tolist(), strict=True), 1
                )
            ]
        values = self.model.target.decode(answers.numpy()).tolist()
        names = self.model.target.answer_names
        return [RowPrediction(row, dict(zip(names, each, strict=True))) for row, each in enumerate(values, 1)]

    def evaluate(
        self,
        data: str | Path | Any = None,
        *,
        part: str | None = None,
        baselines: bool = True,
        segments: str | None = None,
    ) -> JudgedTable:
        """Evaluate on the run's own rows, or on `data`, beside models fitted on the training rows.

        `part` is `train` or `validation`, by default the last that is there; the validation rows are the very ones
        that the run was validated on. `segments` names a column of the table, also one that the network does not see:
        the measures then stand by its values too (see `evaluate_segments`), of windows by its value at their last
        step. Raises UsageError for a part that is not there, DataError for a column that is not.
        """
        parts, note = self._own_parts(needed=data is None)
        chosen, table = self._chosen(parts, data, part)
        column = None if segments is None else self._column(table, segments, data)
        model, inputs = self.model, encoded(table, self.model.encoder)
        loss = None if self.run is None else LOSS_FUNCTIONS.get(self.run.config.loss)
        evaluation = evaluate_rows(model.network, inputs, table, model.target, self.hardware, loss=loss)
        figures = {self.name: figures_of(evaluation)}
        if baselines and "train" in parts:
            train = parts["train"]
            found = evaluate_baselines(model.target, (encoded(train, model.encoder), train), (inputs, table))
            figures |= {name: figures_of(each) for name, each in found.items()}
        by_segment = None if column is None else evaluate_segments(evaluation, column)
        return JudgedTable(model, table, chosen, evaluation, figures, note, by_segment)

    def examples(self, data: str | Path | Any = None, *, part: str | None = None) -> ExampleSet:
        """The run's own rows or series, by default those of the last part that is there, or `data` with its target."""
        parts = self._own_parts(needed=True)[0] if data is None else {}
        return self._chosen(parts, data, part)[1]

    def _chosen(self, parts: dict[str, ExampleSet], data: Any, part: str | None) -> tuple[str, ExampleSet]:
        if data is None:
            chosen = part or list(parts)[-1]
            if chosen not in parts:
                raise UsageError(f"part is {chosen!r}; allowed: {', '.join(parts)}")
            return chosen, parts[chosen]
        if part is not None:
            raise UsageError(f"part is {part!r} and the table is given; leave one of them out")
        return "given rows", self._read_with_target(data)

    def _column(self, table: ExampleSet, name: str, data: Any) -> Column:
        """Of the rows that are evaluated the values of a column, read again where the network does not see it."""
        if data is None and self.run is not None:
            data = self.run.settings["data"]["name"]
        encoder = self.model.encoder
        if isinstance(encoder, TableEncoder):
            return column_beside(table, name, data, TableOptions(**encoder.notation))
        return column_beside(table, name, data, encoder.options or SeriesOptions())

    def _answers(self, table: ExampleSet) -> torch.Tensor:
        return answer_rows(
            self.model.network, encoded(table, self.model.encoder), self.hardware, table.source
        )

    def _read_with_target(self, data: Any) -> ExampleSet:
        if isinstance(data, ExampleSet):
            return data
        target = self.model.target
        kinds = {"categorical" if target.classes else "numeric": target.names}
        return self.model.encoder.read(data, target.names, **kinds)

    def _own_parts(self, *, needed: bool) -> tuple[dict[str, ExampleSet], str]:
        """The run's rows by part; none and why where they are gone, unless they are needed."""
        try:
            if self.run is None:
                raise DataError(f"{self.source} is a model folder without its run: its rows are not known")
            record = self.run.settings["data"]
            if record["name"] is None:
                raise DataError(f"{self.run.path} was trained on a table from memory")
            table = table_again(record)
            assert table is not None
            if {kind_of(table): table.content_hash()} != record["content_hash"]:
                raise DataError(f"{record['name']} has changed since {self.run.path} was trained on it")
        except DataError as error:
            if needed:
                raise DataError(f"{error}; give the rows to evaluate on with --data") from None
            return {}, f"no simple models beside it: {error}"
        train, validation = split_rows(table, self.run.config)
        return {"train": train, **({} if validation is None else {"validation": validation})}, ""

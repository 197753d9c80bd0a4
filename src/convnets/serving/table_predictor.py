"""A network for tables put to use: evaluated beside baselines, asked about new rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convnets.acceleration.inference import for_inference
from convnets.checkpoints.model_source import resolve_model_folder
from convnets.checkpoints.onnx.onnx_model import OnnxNetwork, is_onnx
from convnets.checkpoints.onnx.onnx_rows import holds_rows, open_onnx_rows
from convnets.checkpoints.table_model import TableModel, holds_table_model, load_table_model
from convnets.core.hardware import Hardware
from convnets.errors import DataError, RunError, UsageError
from convnets.evaluation.baselines import evaluate_baselines, figures_of
from convnets.evaluation.comparison_table import compare_baselines
from convnets.evaluation.evaluate_rows import answer_rows, evaluate_rows
from convnets.evaluation.evaluation import Evaluation
from convnets.evaluation.numbers import NumbersEvaluation
from convnets.evaluation.scores import check_finite, hardware_for
from convnets.explanation.columns.segments import Segments, evaluate_segments
from convnets.models.answers import logits_of
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
    """Whether a run, model folder or ONNX file holds a network for tables or series."""
    if is_onnx(source):
        return holds_rows(source)
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
    top: tuple[tuple[str, float], ...] = ()
    """The most probable classes with their probabilities, as many as were asked for; empty for numbers."""

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

    @cached_property
    def _answering(self) -> nn.Module:
        network, place = self.model.network.eval(), hardware_for(self.model.network, self.hardware)
        return network if isinstance(network, OnnxNetwork) else for_inference(network, place.dtype)

    @property
    def precision(self) -> str:
        """`bf16` or `fp32`."""
        return hardware_for(self.model.network, self.hardware).precision

    @classmethod
    def load(cls, source: Path | str, hardware: Hardware | None = None) -> TablePredictor:
        """Of a run, a model folder or an ONNX file. Raises what `load_table_model` raises."""
        if is_onnx(source):
            return cls(open_onnx_rows(source), str(source), hardware)
        device = "cpu" if hardware is None else hardware.device
        return cls(load_table_model(resolve_model_folder(source), device), str(source), hardware)

    @property
    def name(self) -> str:
        """The network's name."""
        return self.model.name

    def predict(self, data: str | Path | Any) -> list[RowPrediction]:
        """What the network says of each row of a CSV or Parquet file, a DataFrame or an array.

        Columns are found by name, in any order; further ones are passed over. Raises DataError where one is missing
        or a cell is not what it was in training.
        """
        table = data if isinstance(data, ExampleSet) else self.model.encoder.read(data)
        return self.said(self.answers(table))

    def answers(self, table: ExampleSet) -> Tensor:
        """What the network itself answers, float32 N×K: logits, or standardized numbers."""
        inputs = encoded(table, self.model.encoder)
        return answer_rows(self.model.network, inputs, self.hardware, table.source)

    def score(self, inputs: Tensor) -> Tensor:
        """The same for encoded rows n×D, or series n×C×L, by a copy made once: for those who ask again and again.

        Raises TrainingError where an answer is not finite.
        """
        hardware = hardware_for(self.model.network, self.hardware)
        network = self._answering
        with torch.inference_mode(), hardware.autocast():
            found = logits_of(network(inputs.to(hardware.device))).float().cpu().clone()
        check_finite(found, "the rows given")
        return found

    def said(self, answers: Tensor, top: int = 0) -> list[RowPrediction]:
        """What such answers say, row by row, with the `top` most probable classes."""
        if self.model.classes:
            (name,), classes = self.model.target.names, self.model.classes
            values, places = answers.softmax(1).sort(
                dim=1, descending=True, stable=True
            )  # of equal ones the first
            ranked = zip(places.tolist(), values.tolist(), strict=True)
            return [
                RowPrediction(
                    row,
                    {name: classes[best[0]]},
                    shares[0],
                    tuple(zip((classes[place] for place in best[:top]), shares[:top], strict=True)),
                )
                for row, (best, shares) in enumerate(ranked, 1)
            ]
        values, names = self.model.target.decode(answers.numpy()).tolist(), self.model.answer_names
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
        parts, note = self._parts(needed=data is None)
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
        parts = self._parts(needed=True)[0] if data is None else {}
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

    def _read_with_target(self, data: Any) -> ExampleSet:
        if isinstance(data, ExampleSet):
            return data
        target = self.model.target
        kinds = {"categorical" if target.classes else "numeric": target.names}
        return self.model.encoder.read(data, target.names, **kinds)

    def own_parts(self) -> dict[str, ExampleSet]:
        """The run's rows by part, training first. Raises DataError where they are gone."""
        if self.run is None:
            what = "an ONNX file" if is_onnx(self.source) else "a model folder"
            raise DataError(f"{self.source} is {what} without its run: its rows are not known")
        record = self.run.settings["data"]
        if record["name"] is None:
            raise DataError(f"{self.run.path} was trained on a table from memory")
        table = table_again(record)
        assert table is not None
        if {kind_of(table): table.content_hash()} != record["content_hash"]:
            raise DataError(f"{record['name']} has changed since {self.run.path} was trained on it")
        train, validation = split_rows(table, self.run.config)
        return {"train": train, **({} if validation is None else {"validation": validation})}

    def _parts(self, *, needed: bool) -> tuple[dict[str, ExampleSet], str]:
        """`own_parts`; none and why where they are gone, unless they are needed."""
        try:
            return self.own_parts(), ""
        except DataError as error:
            if needed:
                raise DataError(f"{error}; give the rows to evaluate on with --data") from None
            return {}, f"no simple models beside it: {error}"

"""Export of models of tables and series: one file, asked what `predict` is asked before it is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convnets.checkpoints.onnx.onnx_copy import OPSET
from convnets.checkpoints.onnx.onnx_model import start_session
from convnets.checkpoints.onnx.onnx_rows import spread_of
from convnets.checkpoints.table_model import TableModel
from convnets.core.storage.files import atomic_path
from convnets.errors import InputError, ModelFolderError
from convnets.series.examples import ExampleSet, encoded
from convnets.series.series_encoder import SeriesEncoder
from convnets.series.series_set import SeriesSet
from convnets.series.unencoded import unencoded
from convnets.serving.export.onnx_export import write_onnx
from convnets.serving.export.pt2_export import write_pt2
from convnets.serving.export.rows.exported_rows import ExportedRows, metadata_of_rows
from convnets.serving.table_predictor import TablePredictor
from convnets.tables.column_encoders import Categories, Standardized
from convnets.tables.table_encoder import TableEncoder
from convnets.tables.table_set import Column, TableSet

__all__ = ["RowsExport", "export_rows"]

_BATCHES = (1, 3, 17)
_ALLOWED = 1e-4
_MOST = 1000  # rows of the run's own
_SHARE_MISSING = 0.1
Answer = Callable[[Tensor], NDArray[Any]]


@dataclass(frozen=True)
class RowsExport:
    """The file, and how it was compared with `predict`."""

    path: Path
    form: str
    megabytes: float
    opset: int | None
    """Of ONNX; None for another form."""
    error: float
    """Largest difference: of a probability, or of a number in units of the target's spread in training."""
    rows: int
    """Real rows that both were asked about, one, three and seventeen at once and all together; 0 where there are none:
    then rows were made up."""
    agreement: float | None
    """Share of them with the same class; None for numbers."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "path": str(self.path)}


def export_rows(
    model: TableModel, path: Path | str, *, form: str | None = None, examples: ExampleSet | None = None
) -> RowsExport:
    """Write `path`, .onnx or .pt2, and compare its answers with `TablePredictor.predict`'s.

    form: `rows` or `series`, by default what the model is of; or `tensor`, what its encoder makes.
    examples: real rows, of which the first 1,000 are asked about, beside made-up ones with missing and unknown values.

    The network is put into evaluation mode. Raises InputError for another name of the file, and ModelFolderError where
    the file gives other answers or the network cannot be exported; no file is left then.
    """
    path = Path(path)
    if path.suffix.lower() not in (".onnx", ".pt2"):
        raise InputError(f"{path} ends in neither .onnx nor .pt2; name the file so")
    exported = ExportedRows(model, form)
    about = metadata_of_rows(exported, model)
    example = _inputs(exported, model, made_up(model, 2))
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx = path.suffix.lower() == ".onnx"
    with atomic_path(path) as temporary:
        if onnx:
            write_onnx(exported, example, temporary, {**about, "opset": OPSET}, exported.output)
            session = start_session(temporary)

            def answer(inputs: Tensor) -> NDArray[Any]:
                found: NDArray[Any] = session.run(None, {"inputs": inputs.numpy()})[0]
                return found
        else:
            again = write_pt2(exported, example, temporary, about)

            def answer(inputs: Tensor) -> NDArray[Any]:
                with torch.inference_mode():
                    found: NDArray[Any] = again(inputs).numpy()
                return found

        compared = _compared(exported, model, answer, examples)
        megabytes = temporary.stat().st_size / 1e6
    return RowsExport(path, exported.form, megabytes, OPSET if onnx else None, *compared)


def made_up(model: TableModel, count: int, seed: int = 0) -> ExampleSet:
    """Random rows or series of the shape that the model takes, some values missing, some categories unknown."""
    rng, encoder = np.random.default_rng(seed), model.encoder
    if isinstance(encoder, SeriesEncoder):
        mean, std = (np.array(each)[:, None] for each in (encoder.mean, encoder.std))
        values = mean + std * rng.normal(size=(count, len(encoder.channels), encoder.length))
        values[rng.random(values.shape) < _SHARE_MISSING] = np.nan
        return SeriesSet(values, encoder.channels, (), "made-up series", encoder.length)
    assert isinstance(encoder, TableEncoder)
    columns = []
    for each in encoder.columns:
        if isinstance(each, Categories):
            names = (*each.categories, "\0")  # which no table holds
            columns.append(Column(each.name, "category", rng.integers(-1, len(names), count), names))
            continue
        middle, spread = (each.mean, each.std) if isinstance(each, Standardized) else _middle(each)
        numbers = rng.normal(middle, spread, count)
        numbers[rng.random(count) < _SHARE_MISSING] = np.nan
        columns.append(Column(each.name, each.kind, numbers))
    return TableSet(tuple(columns), (), "made-up rows")


def _middle(bins: Any) -> tuple[float, float]:
    low, high = bins.edges[0], bins.edges[-1]
    return (low + high) / 2, (high - low) / 2


def _inputs(exported: ExportedRows, model: TableModel, examples: ExampleSet) -> Tensor:
    """What the file takes, made of `examples`."""
    encoder = model.encoder if exported.form == "tensor" else unencoded(model.encoder)
    return encoded(examples, encoder)[:]


def _compared(
    exported: ExportedRows, model: TableModel, answer: Answer, examples: ExampleSet | None
) -> tuple[float, int, float | None]:
    """Largest difference, real rows, and their agreement. Raises ModelFolderError where answers differ too much."""
    asked = [made_up(model, count, seed=count) for count in _BATCHES]
    real = None if examples is None else examples.subset(range(min(_MOST, len(examples))))
    if real is not None:
        asked += [real.subset(range(min(count, len(real)))) for count in _BATCHES] + [real]
    predictor, error, alike = TablePredictor(model, model.name), 0.0, 1.0
    for each in asked:
        own = _comparable(model, predictor.answers(each).numpy(), raw=exported.form == "tensor")
        other = answer(_inputs(exported, model, each))
        if exported.form != "tensor" and not model.classes:
            other = _standard(model, other)
        if own.shape != other.shape or not np.isfinite(other).all():
            error = float("inf")
            break
        error = max(error, float(np.abs(own - other).max()))
        alike = float((own.argmax(1) == other.argmax(1)).mean())
    if not error <= _ALLOWED:
        raise ModelFolderError(
            f"the file's answers differ from predict's by {error:.2g}; allowed: {_ALLOWED:g}. None was written"
        )
    rows = 0 if real is None else len(real)
    return error, rows, alike if model.classes and rows else None


def _comparable(model: TableModel, answers: NDArray[Any], *, raw: bool) -> NDArray[Any]:
    """The network's answers as the file gives them, numbers in units of the target's spread."""
    if raw:
        return answers
    if model.classes:
        return torch.from_numpy(answers).softmax(1).numpy()
    return _standard(model, model.target.decode(answers))


def _standard(model: TableModel, values: NDArray[Any]) -> NDArray[Any]:
    mean, std = (each.numpy() for each in spread_of(model.target))
    known = np.log(np.maximum(values, np.finfo(np.float64).tiny)) if model.target.logarithm else values
    found: NDArray[Any] = (known - mean) / std
    return found

"""RowModel: a model of tables or series, ready to answer over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from convnets.checkpoints.onnx.onnx_rows import OnnxRows
from convnets.retrieval.descriptors.embedder import weights_hash
from convnets.series.examples import ExampleSet
from convnets.series.series_encoder import SeriesEncoder
from convnets.serving.engines import Engine
from convnets.serving.http.limits import Limits
from convnets.serving.http.rows.row_readers import RowReader
from convnets.serving.http.tensors import SentTensor
from convnets.serving.table_predictor import RowPrediction, TablePredictor
from convnets.tables.column_encoders import Categories, Standardized
from convnets.tables.table_encoder import TableEncoder

__all__ = ["RowModel"]


@dataclass(frozen=True, eq=False)
class RowModel:
    """One version of a model. A request keeps the one that it began with."""

    name: str
    version: str
    """The first twelve digits of the SHA-256 of its weights, or of the ONNX file."""
    predictor: TablePredictor
    reader: RowReader

    @classmethod
    def of(cls, name: str, predictor: TablePredictor) -> Self:
        """The model of a predictor, under a name."""
        network, encoder = predictor.model.network, predictor.model.encoder
        version = network.version if isinstance(network, OnnxRows) else weights_hash(network)
        return cls(name, version[:12], predictor, RowReader(encoder, int(np.prod(encoder.shape))))

    @property
    def network(self) -> str:
        """The network's name."""
        return self.predictor.name

    @property
    def engine(self) -> Engine:
        """What computes its answers, and why."""
        if isinstance(self.predictor.model.network, OnnxRows):
            return Engine("onnxruntime", "an ONNX file")
        return Engine("convnets", "rows and series are answered by no other engine")

    def compute(self, parts: list[Tensor]) -> Tensor:
        """Examples from `reader` → the network's answers N×K."""
        return self.predictor.score(torch.cat(parts))

    def answers(self, _: ExampleSet, rows: Tensor, top: int) -> list[dict[str, Any]]:
        """What is said of each row: a class with its probability and the `top` first ones, or numbers."""
        return [_answer(each) for each in self.predictor.said(rows, top)]

    def facts(self) -> dict[str, Any]:
        """What clients may know of it, and a form needs."""
        model = self.predictor.model
        encoder = model.encoder
        if isinstance(encoder, SeriesEncoder):
            windows = encoder.options is not None and encoder.options.window is not None
            channels = [
                {"name": name, "usual": _rounded(mean)}
                for name, mean in zip(encoder.channels, encoder.mean, strict=True)
            ]
            examples, takes = "series", {"channels": channels, "length": encoder.length, "windows": windows}
        else:
            assert isinstance(encoder, TableEncoder)
            examples, takes = "table", {"columns": [_column(each) for each in encoder.columns]}
        return {
            "name": self.name,
            "version": self.version,
            "network": self.network,
            "examples": examples,
            "target": list(model.target.names),
            "classes": list(model.classes),
            "input": takes,
            "precision": self.predictor.precision,
        }

    def tensors(self) -> dict[str, Any]:
        """Inputs, outputs and parameters, as the Open Inference Protocol names them."""
        model = self.predictor.model
        outputs = [{"name": name, "datatype": "FP64", "shape": [-1]} for name in model.answer_names]
        if model.classes:
            outputs = [
                {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(model.classes)]},
                {"name": "label", "datatype": "BYTES", "shape": [-1]},
            ]
        return {
            "inputs": self.reader.tensors(),
            "outputs": outputs,
            "parameters": {"classes": list(model.classes), **self.facts()["input"]},
        }

    def received(
        self, inputs: Sequence[SentTensor], limits: Limits, options: Mapping[str, Any]
    ) -> ExampleSet:
        """The examples of the protocol's inputs. Raises Refusal 413 or 422."""
        return self.reader.received(inputs, limits, options)

    def outputs(self, _: ExampleSet, rows: Tensor) -> dict[str, np.ndarray[Any, Any] | list[str]]:
        """By name what the protocol answers."""
        model = self.predictor.model
        if model.classes:
            return {
                "probabilities": rows.softmax(1).numpy(),
                "label": [model.classes[place] for place in rows.argmax(1).tolist()],
            }
        values = model.target.decode(rows.numpy())
        return {name: values[:, place] for place, name in enumerate(model.answer_names)}


def _answer(said: RowPrediction) -> dict[str, Any]:
    found: dict[str, Any] = {"row": said.row, "values": said.values}
    if said.probability is None:
        return found
    top = [{"class": name, "probability": share} for name, share in said.top]
    return {**found, "label": said.top[0][0], "confidence": said.probability, "top": top}


def _column(encoder: Any) -> dict[str, Any]:
    """A column: its name, what it holds, and a usual value."""
    about = {"name": encoder.name, "kind": encoder.kind}
    if isinstance(encoder, Categories):
        return {**about, "usual": encoder.usual, "categories": list(encoder.categories)}
    usual = encoder.median if isinstance(encoder, Standardized) else encoder.edges[len(encoder.edges) // 2]
    return {
        **about,
        "usual": str(np.datetime64(round(usual), "D")) if encoder.kind == "date" else _rounded(usual),
    }


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")

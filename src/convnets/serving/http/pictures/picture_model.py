"""PictureModel: a model of images, ready to answer over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.requests import Request
from torch import Tensor

from convnets.checkpoints.onnx.onnx_model import no_folder
from convnets.retrieval.descriptors.embedder import Embedder
from convnets.serving.engines import Engine
from convnets.serving.http.limits import Limits
from convnets.serving.http.pictures.bodies import (
    Sent,
    Store,
    arrays_of,
    decode,
    files_of,
    pictures_of,
)
from convnets.serving.http.refusal import Refusal
from convnets.serving.http.tensors import SentTensor
from convnets.serving.predictor import Predictor

__all__ = ["PictureModel", "Pictures"]


@dataclass(frozen=True)
class Pictures:
    """Reads the pictures of a request, and decodes them for whom it is made."""

    store: Store

    async def sent(self, request: Request, limits: Limits, _: Executor) -> list[Sent]:
        """What came. Raises what `pictures_of` raises."""
        return await pictures_of(request, limits)

    def room(self, sent: Sequence[Sent]) -> tuple[int, int]:
        """Places in the queue, and bytes beyond those of the body."""
        return len(sent), 0

    def decode(self, sent: Sequence[Sent], limits: Limits) -> list[Tensor]:
        """uint8 C×R×R of each; takes a while."""
        return decode(self.store, sent, limits)


@dataclass(frozen=True, eq=False)
class PictureModel:
    """One version of a model. A request keeps the one that it began with."""

    name: str
    version: str
    """The first twelve digits of the SHA-256 of its weights, or of the ONNX file."""
    network: str
    predictor: Predictor
    _embedder: Embedder | None
    """None for an ONNX file, which gives no vectors."""

    @property
    def embedder(self) -> Embedder:
        """What makes its vectors. Raises UsageError for an ONNX file."""
        if self._embedder is None:
            raise no_folder(self.name)
        return self._embedder

    @property
    def engine(self) -> Engine:
        """What computes its answers, and why."""
        return self.predictor.engine

    @property
    def reader(self) -> Pictures:
        """What reads its requests."""
        return Pictures(self.predictor.decode)

    def compute(self, pictures: list[Tensor]) -> Tensor:
        """Pictures from `reader` → probabilities N×K."""
        return self.predictor.score(pictures, [f"picture {place}" for place in range(len(pictures))])

    def answers(self, sent: Sequence[Sent], rows: Tensor, top: int) -> list[dict[str, Any]]:
        """What is said of each picture."""
        return [
            self.predictor.answer(each.name, row, top).to_dict() for each, row in zip(sent, rows, strict=True)
        ]

    def facts(self) -> dict[str, Any]:
        """What clients may know of it."""
        preprocess, calibration = self.predictor.preprocess, self.predictor.calibration
        return {
            "name": self.name,
            "version": self.version,
            "network": self.network,
            "examples": "images",
            "classes": list(self.predictor.classes),
            "input": {"channels": preprocess.channels, "size": preprocess.size, "resize": preprocess.resize},
            "precision": self.predictor.hardware.precision,
            "engine": self.engine.name,
            "calibrated": calibration is not None,
            "abstains": self.predictor.abstains,
        }

    def tensors(self) -> dict[str, Any]:
        """Inputs, outputs and parameters, as the Open Inference Protocol names them."""
        channels, classes = self.predictor.preprocess.channels, list(self.predictor.classes)
        return {
            "inputs": [{"name": "pictures", "datatype": "UINT8", "shape": [-1, -1, -1, channels]}],
            "outputs": [
                {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(classes)]},
                {"name": "label", "datatype": "BYTES", "shape": [-1]},
            ],
            "parameters": {"classes": classes},
        }

    def received(self, inputs: Sequence[SentTensor], _: Limits, __: Mapping[str, Any]) -> list[Sent]:
        """The pictures of the protocol's inputs. Raises Refusal 422."""
        if len(inputs) != 1:
            raise Refusal(422, "the request has not exactly one input; send one named pictures")
        found = inputs[0]
        if found.datatype == "UINT8":
            if len(found.shape) not in (3, 4):
                raise Refusal(422, f"the shape is {found.shape}; allowed: N×H×W×C or N×H×W")
            array = found.array()
            return arrays_of(array[..., None] if array.ndim == 3 else array)
        if found.datatype == "BYTES":
            return files_of(found)
        raise Refusal(
            422, f"datatype {found.datatype[:20]!r}; allowed: UINT8 N×H×W×C, or BYTES of picture files"
        )

    def outputs(self, _: Sequence[Sent], rows: Tensor) -> dict[str, np.ndarray[Any, Any] | list[str]]:
        """By name what the protocol answers."""
        labels = [self.predictor.answer("", row, 1).label or "" for row in rows]
        return {"probabilities": rows.numpy(), "label": labels}

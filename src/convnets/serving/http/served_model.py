"""ServedModel: a model folder or ONNX file that is answered from, taken anew when another is put in its place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from starlette.requests import Request
from torch import Tensor

from convnets.checkpoints.model_source import open_model, resolve_model_folder
from convnets.checkpoints.onnx.onnx_model import OnnxNetwork, is_onnx
from convnets.core.hardware import Hardware
from convnets.errors import ConvnetsError
from convnets.evaluation.precision import settle_precision
from convnets.retrieval.descriptors.embedder import Embedder, weights_hash
from convnets.serving.engines import Engine
from convnets.serving.http.limits import Limits
from convnets.serving.http.pictures.picture_model import PictureModel
from convnets.serving.http.rows.row_model import RowModel
from convnets.serving.http.tensors import SentTensor
from convnets.serving.predictor import Predictor
from convnets.serving.table_predictor import TablePredictor, is_for_tables

__all__ = ["Loaded", "Reader", "ServedModel"]

_log = logging.getLogger("convnets.serve")


class Reader(Protocol):
    """How a request's examples are read, and made into what a model takes."""

    async def sent(self, request: Request, limits: Limits, pool: Executor, /) -> Any:
        """What came, sized; what takes a while goes into `pool`. Raises Refusal."""
        ...

    def room(self, sent: Any, /) -> tuple[int, int]:
        """Places in the queue that it takes, and bytes beyond those of the body."""
        ...

    def decode(self, sent: Any, limits: Limits, /) -> list[Tensor]:
        """A tensor for each place in the queue; takes a while, so it is called in a thread."""
        ...


class Loaded(Protocol):
    """One version of a model, ready to answer. A request keeps the one that it began with."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str:
        """The first twelve digits of the SHA-256 of its weights, or of the ONNX file."""
        ...

    @property
    def engine(self) -> Engine:
        """What computes its answers, and why."""
        ...

    @property
    def reader(self) -> Reader: ...

    def compute(self, examples: list[Tensor], /) -> Tensor:
        """What `reader` decoded → a row for each example; runs in the network's own thread."""
        ...

    def answers(self, sent: Any, rows: Tensor, top: int, /) -> list[dict[str, Any]]:
        """What is said of each example, plain values for JSON."""
        ...

    def facts(self) -> dict[str, Any]:
        """What clients may know of it."""
        ...

    def tensors(self) -> dict[str, Any]:
        """Inputs, outputs and parameters, as the Open Inference Protocol names them."""
        ...

    def received(self, inputs: list[SentTensor], limits: Limits, options: Mapping[str, Any], /) -> Any:
        """What the protocol's inputs hold, as `reader.sent` gives it. Raises Refusal 422."""
        ...

    def outputs(self, sent: Any, rows: Tensor, /) -> dict[str, np.ndarray[Any, Any] | list[str]]:
        """By name what the protocol answers."""
        ...


class ServedModel:
    """The model of a run, model folder or ONNX file under a name.

    Raises what `Predictor.load` raises when it is first loaded; later a damaged folder leaves the model that is
    there, and `fault` says why.
    """

    def __init__(
        self,
        name: str,
        folder: Path | str,
        hardware: Hardware,
        views: int = 1,
        abstain: float | None = None,
        engine: str = "convnets",
    ) -> None:
        self.name, self.source = name, Path(folder)
        self._load: Callable[[], Loaded] = lambda: _loaded(
            name, self.source, hardware, views, abstain, engine
        )
        self._stamp = self._now()
        self.current = self._load()
        self.fault: str | None = None

    def reload(self) -> bool | None:
        """True where another model was taken, False where that failed, None where nothing changed.

        Call it in a thread of its own: reading and fusing a network takes a while.
        """
        stamp = self._now()
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            found = self._load()
        except Exception as error:  # noqa: BLE001  whatever is wrong with it, the model that is there goes on
            self.fault = " ".join(str(error).split())[:300] or type(error).__name__
            return False
        self.fault = None
        if found.version == self.current.version and found.facts() == self.current.facts():
            return None
        self.current = found
        return True

    def facts(self) -> dict[str, Any]:
        """Those of the model that answers, and why a newer one does not."""
        return {**self.current.facts(), **({} if self.fault is None else {"not_reloaded": self.fault})}

    def _now(self) -> tuple[tuple[int, int, int], ...]:
        """What changes when a file of the folder is replaced or written to."""
        try:
            if is_onnx(self.source):
                states = [self.source.stat()]
            else:
                folder = resolve_model_folder(self.source)
                states = [(folder / name).stat() for name in ("config.json", "model.safetensors")]
        except (ConvnetsError, OSError):
            return ()
        return tuple((state.st_ino, state.st_size, state.st_mtime_ns) for state in states)


def _loaded(
    name: str, source: Path, hardware: Hardware, views: int, abstain: float | None, engine: str
) -> Loaded:
    if is_for_tables(source):
        exact = replace(hardware, dtype=torch.float32) if hardware.automatic else hardware
        return RowModel.of(name, TablePredictor.load(source, exact))
    trained = open_model(source, hardware.device, only_to_ask=True)
    predictor = Predictor(trained, hardware=hardware, views=views, abstain=abstain, engine=engine)
    if isinstance(trained.network, OnnxNetwork):
        return PictureModel(name, trained.network.version[:12], trained.network.name, predictor, None)
    own = settle_precision(hardware, trained.metrics)  # vectors are ours, whichever engine names classes
    version = weights_hash(trained.network)[:12]
    return PictureModel(name, version, trained.name, predictor, Embedder(trained, hardware=own))

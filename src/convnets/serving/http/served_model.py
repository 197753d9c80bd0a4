"""ServedModel: a model folder or ONNX file that is answered from, taken anew when another is put in its place."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from convnets.checkpoints.model_source import open_model, resolve_model_folder
from convnets.checkpoints.onnx_model import OnnxNetwork, is_onnx, no_folder
from convnets.core.hardware import Hardware
from convnets.errors import ConvnetsError
from convnets.evaluation.precision import settle_precision
from convnets.retrieval.descriptors.embedder import Embedder, weights_hash
from convnets.serving.predictor import Predictor

__all__ = ["Loaded", "ServedModel"]

_log = logging.getLogger("convnets.serve")


@dataclass(frozen=True, eq=False)
class Loaded:
    """One version of a model, ready to answer. A request keeps the one that it began with."""

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

    def probabilities(self, pictures: list[Tensor]) -> Tensor:
        """Pictures from `predictor.decode` → N×K."""
        return self.predictor.score(pictures, [f"picture {place}" for place in range(len(pictures))])

    def facts(self) -> dict[str, Any]:
        """What clients may know of it."""
        preprocess, calibration = self.predictor.preprocess, self.predictor.calibration
        return {
            "name": self.name,
            "version": self.version,
            "network": self.network,
            "classes": list(self.predictor.classes),
            "input": {"channels": preprocess.channels, "size": preprocess.size, "resize": preprocess.resize},
            "precision": self.predictor.hardware.precision,
            "engine": self.predictor.engine.name,
            "calibrated": calibration is not None,
            "abstains": self.predictor.abstains,
        }


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
    trained = open_model(source, hardware.device, only_to_ask=True)
    predictor = Predictor(trained, hardware=hardware, views=views, abstain=abstain, engine=engine)
    if isinstance(trained.network, OnnxNetwork):
        return Loaded(name, trained.network.version[:12], trained.network.name, predictor, None)
    own = settle_precision(hardware, trained.metrics)  # vectors are ours, whichever engine names classes
    version = weights_hash(trained.network)[:12]
    return Loaded(name, version, trained.name, predictor, Embedder(trained, hardware=own))

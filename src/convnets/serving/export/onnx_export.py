"""Export to ONNX: one file for any number of pictures, compared with the network before it is left."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convnets.checkpoints.model_folder import TrainedModel
from convnets.checkpoints.onnx_model import METADATA, start_session
from convnets.core.storage.files import atomic_path
from convnets.data.image_set import ImageSet
from convnets.errors import InputError, ModelFolderError
from convnets.selection.calibration.calibration import CALIBRATION
from convnets.serving.export.exported_network import ExportedNetwork, Form
from convnets.training.objectives.embedding import check_classifies

__all__ = ["OPSET", "OnnxExport", "export_onnx"]

OPSET = 18
_BATCHES = (1, 3, 17)
_ALLOWED = 1e-4  # relative to the largest answer
_IMAGES = 1000


@dataclass(frozen=True)
class OnnxExport:
    """The file, and how it was compared with the network."""

    path: Path
    form: Form
    opset: int
    megabytes: float
    error: float
    """Largest difference of an answer, as a share of the largest answer, over batches of 1, 3 and 17."""
    images: int
    """Real images that both were asked about; 0 where there were none."""
    agreement: float | None
    """Share of them with the same first class."""
    accuracy: tuple[float, float] | None
    """Of the network and of the file, on them."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "path": str(self.path)}


def export_onnx(
    trained: TrainedModel, path: Path | str, *, form: Form = "pictures", images: ImageSet | None = None
) -> OnnxExport:
    """Write `path`, and compare it with the network on random inputs and on the first 1,000 of `images`.

    The file holds class names and preprocessing as metadata, and takes any number of pictures at once. The network is
    put into evaluation mode.
    Raises ModelFolderError where the file gives other answers or an operation has no counterpart in ONNX, and
    leaves none then.
    """
    check_classifies(trained)
    path = Path(path)
    if path.suffix.lower() != ".onnx":
        raise InputError(f"{path} does not end in .onnx; name the file so")
    exported = ExportedNetwork(trained, form)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        _write(exported, trained, temporary)
        session = start_session(temporary)

        def answer(inputs: Tensor) -> np.ndarray[Any, Any]:
            found: np.ndarray[Any, Any] = session.run(None, {"inputs": inputs.numpy()})[0]
            return found

        error = max(_difference(exported, answer, count) for count in _BATCHES)
        if not error <= _ALLOWED:
            raise ModelFolderError(
                f"the file's answers differ from the network's by {error:.2g} of the largest; allowed: {_ALLOWED:g}. "
                "None was written"
            )
        compared = _compare(exported, trained, answer, images)
        megabytes = temporary.stat().st_size / 1e6
    return OnnxExport(path, form, OPSET, megabytes, error, *compared)


def _write(exported: ExportedNetwork, trained: TrainedModel, path: Path) -> None:
    with _quiet():
        try:
            count = {0: torch.export.Dim("count", min=1)}
            program = torch.export.export(exported, (exported.example(2),), dynamic_shapes={"inputs": count})
            names = {"input_names": ["inputs"], "output_names": [_output(exported.form)]}
            made = torch.onnx.export(program, opset_version=OPSET, dynamo=True, verbose=False, **names)  # type: ignore[arg-type]
            assert made is not None
            made.model.metadata_props[METADATA] = json.dumps(_metadata(exported, trained))
            made.save(path, external_data=False)
        except (RuntimeError, torch.onnx.OnnxExporterError) as failed:
            line = " ".join(str(failed).split())[:160]
            raise ModelFolderError(f"{trained.name} cannot be written as ONNX: {line}") from None


def _output(form: Form) -> str:
    return "probabilities" if form == "pictures" else "logits"


def _metadata(exported: ExportedNetwork, trained: TrainedModel) -> dict[str, Any]:
    from convnets import __version__

    return {
        "convnets": __version__,
        "network": trained.name,
        "form": exported.form,
        "classes": list(trained.classes),
        "preprocess": trained.preprocess.to_dict(),
        "temperature": exported.temperature,
        "calibration": trained.metrics.get(CALIBRATION),
        "opset": OPSET,
    }


def _difference(exported: nn.Module, answer: Any, count: int) -> float:
    inputs = exported.example(count, seed=count)  # type: ignore[operator]
    with torch.inference_mode():
        own = exported(inputs).numpy()
    other = answer(inputs)
    if own.shape != other.shape or not np.isfinite(other).all():
        return float("inf")
    return float(np.abs(own - other).max() / np.abs(own).max())


def _compare(
    exported: ExportedNetwork, trained: TrainedModel, answer: Any, images: ImageSet | None
) -> tuple[int, float | None, tuple[float, float] | None]:
    if images is None or not len(images):
        return 0, None, None
    chosen = images.subset(range(min(_IMAGES, len(images))))
    own, other = [], []
    for start in range(0, len(chosen), 100):
        inputs = _inputs(exported, trained, chosen.subset(range(start, min(start + 100, len(chosen)))))
        with torch.inference_mode():
            own.append(exported(inputs).argmax(1))
        other.append(torch.from_numpy(answer(inputs)).argmax(1))
    mine, theirs, labels = torch.cat(own), torch.cat(other), chosen.labels
    accuracy = tuple(float((each == labels).double().mean()) for each in (mine, theirs))
    return len(chosen), float((mine == theirs).double().mean()), (accuracy[0], accuracy[1])


def _inputs(exported: ExportedNetwork, trained: TrainedModel, images: ImageSet) -> Tensor:
    preprocess = trained.preprocess
    if isinstance(images.images, Tensor):
        from convnets.data.preprocess import resize_short_side

        pixels = resize_short_side(preprocess.to_unit(images.images), preprocess.resize)
        if exported.form == "tensor":
            return preprocess.normalize(preprocess.fit(pixels))
        pictures = (pixels * 255).round().clamp(0, 255).to(torch.uint8)
    else:
        pictures = torch.stack([preprocess.store(images.images.open(place)) for place in range(len(images))])
        if exported.form == "tensor":
            return preprocess(pictures)
    top = (pictures.shape[2] - preprocess.resize) // 2
    left = (pictures.shape[3] - preprocess.resize) // 2
    square = pictures[:, :, top : top + preprocess.resize, left : left + preprocess.resize]
    return square.permute(0, 2, 3, 1).contiguous()


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter speaks of packages that are not needed, and of its own future."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)

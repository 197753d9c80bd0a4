"""Export to ONNX in 8 bits: left only where it is nearly as accurate as the float32 file, and faster here."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convnets.benchmarking.measures.alternating import alternating_medians
from convnets.checkpoints.model_folder import TrainedModel
from convnets.checkpoints.onnx.onnx_copy import OPSET
from convnets.checkpoints.onnx.onnx_model import METADATA, start_session
from convnets.core.hardware import processor_name
from convnets.core.progress import Progress
from convnets.core.seeds import generator_for
from convnets.core.storage.files import atomic_path
from convnets.data.image_set import ImageSet
from convnets.errors import ModelFolderError, UsageError
from convnets.serving.export.comparison import inputs_of
from convnets.serving.export.exported_network import ExportedNetwork, Form
from convnets.serving.export.onnx_export import export_onnx
from convnets.serving.export.quantization import quantize, weight_bits

__all__ = ["Int8Export", "Milliseconds", "export_int8", "measure_int8"]

_CALIBRATION_IMAGES = 512
_IMAGES = 10_000
_ALLOWED_FALL = 0.005
_BATCHES = (1, 64)
_NOISE = 0.05  # of a ratio of times: less is chance


@dataclass(frozen=True)
class Milliseconds:
    """Of a batch on this machine: medians of rounds in which both files take turns."""

    batch: int
    float32: float
    int8: float


@dataclass(frozen=True)
class Int8Export:
    """The file in 8 bits beside the one in float32 that it was made of."""

    path: Path
    form: Form
    opset: int
    images: int
    """That both were asked about."""
    accuracy: tuple[float, float]
    """Of the float32 file and of the int8 file, on them."""
    agreement: float
    """Share of them with the same first class."""
    milliseconds: tuple[Milliseconds, ...]
    megabytes: tuple[float, float]
    """Of the float32 file and of the int8 file."""
    weight_bits: int
    """7 where the processor has no VNNI, whose sums would saturate otherwise; else 8."""
    calibration_images: int
    """Training images that the ranges were taken from."""
    hardware: str
    """That the milliseconds were measured on."""

    @property
    def faults(self) -> tuple[str, ...]:
        """Why it is refused: `not accurate enough`, `not faster here`; none where it is left."""
        before, after = self.accuracy
        ratios = [each.float32 / each.int8 for each in self.milliseconds]
        is_worse = before - after > _ALLOWED_FALL + 1e-9
        is_faster = max(ratios) >= 1 + _NOISE and min(ratios) >= 1 - _NOISE
        return (*["not accurate enough"] * is_worse, *["not faster here"] * (not is_faster))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "path": str(self.path)}


def export_int8(
    trained: TrainedModel,
    path: Path | str,
    training: ImageSet,
    held_out: ImageSet,
    *,
    form: Form = "pictures",
    progress: Progress | None = None,
) -> Int8Export:
    """Write `path` in 8 bits, with ranges from 512 of the `training` images, chosen by a fixed seed.

    It is compared with the file of `export_onnx` on the first 10,000 of `held_out`, and timed beside it on batches of
    1 and 64. Metadata say what was found. The network is put into evaluation mode.
    Raises ModelFolderError, with both figures, where accuracy falls by more than 0.5 points, or it is faster at
    neither batch or slower at one; what was at `path` stays then. Raises UsageError where there are no images.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        found = _quantized(trained, temporary, (training, held_out), form, progress or _silent)
        found = replace(found, path=path)
        _check(found)
        _describe(temporary, found)
    return found


def measure_int8(
    trained: TrainedModel,
    training: ImageSet,
    held_out: ImageSet,
    *,
    form: Form = "pictures",
    progress: Progress | None = None,
) -> Int8Export:
    """The figures of `export_int8`, also of what it would refuse (`faults`); no file is left."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        return _quantized(trained, path, (training, held_out), form, progress or _silent)


def _quantized(
    trained: TrainedModel, path: Path, data: tuple[ImageSet, ImageSet], form: Form, say: Progress
) -> Int8Export:
    """Write `path` and compare it with the float32 file, which is not kept."""
    training, held_out = data
    if not len(training) or not len(held_out):
        raise UsageError(
            "quantizing needs training images and others to compare on; give a run whose data are there"
        )
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "float32.onnx"
        say("exporting", 0, 1)
        export_onnx(trained, plain, form=form, images=held_out)
        exported, bits = ExportedNetwork(trained, form), weight_bits()
        count = min(_CALIBRATION_IMAGES, len(training))
        say(f"quantizing by {count} training images", 0, 1)
        quantize(plain, path, _calibration(exported, trained, training), bits=bits)
        sessions = start_session(plain), start_session(path)
        images, accuracy, agreement = _answers(sessions, exported, trained, held_out, say)
        say("timing", 0, 1)
        milliseconds = tuple(_timed(sessions, exported, batch) for batch in _BATCHES)
        sizes = plain.stat().st_size / 1e6, path.stat().st_size / 1e6
    hardware = f"{processor_name()}, {torch.get_num_threads()} threads"
    return Int8Export(
        *(path, form, OPSET, images, accuracy, agreement, milliseconds, sizes, bits, count, hardware)
    )


def _calibration(exported: ExportedNetwork, trained: TrainedModel, training: ImageSet) -> Iterator[Tensor]:
    order = torch.randperm(len(training), generator=generator_for(0, "int8"))
    for places in torch.split(order[:_CALIBRATION_IMAGES], 32):
        yield inputs_of(exported, trained, training.subset(places))


def _answers(
    sessions: tuple[Any, Any],
    exported: ExportedNetwork,
    trained: TrainedModel,
    images: ImageSet,
    say: Progress,
) -> tuple[int, tuple[float, float], float]:
    chosen = images.subset(range(min(_IMAGES, len(images))))
    found: tuple[list[Tensor], list[Tensor]] = ([], [])
    for start in range(0, len(chosen), 100):
        some = chosen.subset(range(start, min(start + 100, len(chosen))))
        inputs = inputs_of(exported, trained, some).numpy()
        for session, classes in zip(sessions, found, strict=True):
            classes.append(torch.from_numpy(session.run(None, {"inputs": inputs})[0]).argmax(1))
        say("comparing", start + len(some), len(chosen))
    before, after = map(torch.cat, found)
    shares = [
        float((one == other).double().mean())
        for one, other in ((before, chosen.labels), (after, chosen.labels), (before, after))
    ]
    return len(chosen), (shares[0], shares[1]), shares[2]


def _timed(sessions: tuple[Any, Any], exported: ExportedNetwork, batch: int) -> Milliseconds:
    feed = {"inputs": exported.example(batch).numpy()}
    plain, small = sessions
    seconds = alternating_medians(
        {"float32": lambda: plain.run(None, feed), "int8": lambda: small.run(None, feed)}
    )
    return Milliseconds(batch, 1000 * seconds["float32"], 1000 * seconds["int8"])


def _check(found: Int8Export) -> None:
    if not found.faults:
        return
    before, after = found.accuracy
    times = ", ".join(
        f"{each.float32:.3g} → {each.int8:.3g} ms at batch {each.batch}" for each in found.milliseconds
    )
    raise ModelFolderError(
        f"int8 is {' and '.join(found.faults)}: accuracy {before:.4f} → {after:.4f} on {found.images:,} images "
        f"(allowed: {100 * _ALLOWED_FALL:g} points less), {times} "
        "(allowed: faster at one, not slower at the other). None was written; leave --int8 out"
    )


def _describe(path: Path, found: Int8Export) -> None:
    """Put what was found beside the metadata of the float32 file."""
    import onnx

    model = onnx.load(path)
    known = next(each for each in model.metadata_props if each.key == METADATA)
    figures = {
        name: value for name, value in found.to_dict().items() if name not in ("path", "form", "opset")
    }
    known.value = json.dumps(json.loads(known.value) | {"int8": figures})
    onnx.save(model, path)


def _silent(_: str, __: int, ___: int | None) -> None:
    pass

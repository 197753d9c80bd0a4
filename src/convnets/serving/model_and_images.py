"""A trained model together with images to look at it with: a run's own, or others of the same classes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from convnets.checkpoints.model_folder import TrainedModel
from convnets.checkpoints.model_source import open_model, resolve_model_folder
from convnets.checkpoints.onnx.onnx_model import is_onnx
from convnets.core.hardware import Hardware
from convnets.core.progress import Progress
from convnets.data.image_set import ImageSet, Splits
from convnets.data.sources import load_data
from convnets.errors import DataError, UsageError
from convnets.selection.folds.cross_validation import RECORD
from convnets.training.objectives.embedding import check_classifies
from convnets.training.resuming.going_on import images_of
from convnets.training.runs.run import Run
from convnets.training.task import prepare

__all__ = ["PARTS", "ModelAndImages", "open_model_and_images", "open_parts"]

PARTS = ("train", "calibration", "validation", "test")


@dataclass(frozen=True, eq=False)
class ModelAndImages:
    """What a run or model folder holds, and the images that it is asked about."""

    model: TrainedModel
    images: ImageSet
    part: str
    """`train`, `calibration`, `validation` or `test`."""
    run: Run | None
    """None for a model folder."""


def open_model_and_images(
    source: Path | str,
    data: str | Path | None = None,
    *,
    part: str | None = None,
    hardware: Hardware | None = None,
    progress: Progress | None = None,
    only_to_ask: bool = False,
) -> ModelAndImages:
    """The model of the run or model folder `source`, on `hardware` (by default the processor), and images.

    Args:
        data: a data set's name, or a folder or zip; by default the run's own.
        part: `train`, `calibration`, `validation` or `test`; by default the last of them that is there.
        only_to_ask: whether an ONNX file will do, which answers and cannot be looked into.

    The validation part of a run's own data is the very split that the run was validated on. Raises UsageError for a
    part that is not there and DataError when the data have other classes than the model.
    """
    folder = Path(source) if is_onnx(source) and only_to_ask else resolve_model_folder(source)
    model = open_model(folder, "cpu" if hardware is None else hardware.device, only_to_ask=only_to_ask)
    check_classifies(model)
    of_folds = (Path(source) / RECORD).exists()  # whose model is their ensemble, and no run
    run = Run(source) if folder != Path(source) and not of_folds else None
    if data is None:
        if run is None or run.settings["data"]["name"] is None:
            raise UsageError(f"{source} does not say which images it was trained on; give some with --data")
        splits, parts = _run_parts(run, model, part, progress)
    else:
        splits = load_data(data, progress=progress)
        parts = splits.parts()
    _check_classes(model, splits)
    chosen = part or next(name for name in reversed(PARTS) if name in parts)
    if chosen not in parts:
        raise UsageError(f"part {chosen!r} of {splits.source}; allowed: {', '.join(parts)}")
    return ModelAndImages(model, parts[chosen], chosen, run)


def open_parts(
    run: Run, model: TrainedModel, data: str | Path | None = None, *, progress: Progress | None = None
) -> dict[str, ImageSet]:
    """Every part of a run's images, split as for training, or of others of the same classes.

    Raises DataError where the classes differ, RunError where the images are gone.
    """
    if data is not None:
        splits = load_data(data, progress=progress)
        parts = splits.parts()
    else:
        splits, parts = _run_parts(run, model, "train", progress)
    _check_classes(model, splits)
    return {name: parts[name] for name in PARTS if name in parts}


def _run_parts(
    run: Run, model: TrainedModel, part: str | None, progress: Progress | None
) -> tuple[Splits, dict[str, ImageSet]]:
    """The run's data and its parts; decoded and split as for training where the part asked for needs that."""
    if part in (None, "test") and not run.config.skip_corrupt:
        splits = load_data(images_of(run), progress=progress)
        if splits.test is not None:
            return splits, splits.parts()
    device = str(next(model.network.parameters()).device)
    # the model has its weights, and knows its size, which weights that it once started from may have decided
    config = replace(
        run.config,
        initializer=None,
        start=None,
        freeze=(),
        size=model.preprocess.size,
        normalize=False,  # the model has its mean and spread
        device=device,
    )
    task = prepare(model.network, images_of(run), config, progress=progress)
    splits = Splits(task.train, task.validation, task.test)
    kept = {} if task.calibration is None else {"calibration": task.calibration}
    return splits, {**splits.parts(), **kept}


def _check_classes(model: TrainedModel, splits: Splits) -> None:
    if model.classes != splits.classes:
        own, other = set(model.classes), set(splits.classes)
        what = f"only in the model: {sorted(own - other)[:5]}; only in the images: {sorted(other - own)[:5]}"
        raise DataError(
            f"{splits.source} has other classes than the model ({what}); the classes must be equal"
        )

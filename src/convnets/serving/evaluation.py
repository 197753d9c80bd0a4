"""Evaluating a run or a model folder on the images it comes with, or on others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from convnets.checkpoints.model_folder import TrainedModel, load_model
from convnets.core.hardware import Hardware, usable_cores
from convnets.data.image_set import ImageSet, Splits
from convnets.data.sources import load_data
from convnets.errors import DataError, UsageError
from convnets.evaluation.evaluate import evaluate
from convnets.evaluation.evaluation import Evaluation
from convnets.evaluation.mistakes import mistake_pictures
from convnets.evaluation.precision import settle_precision
from convnets.evaluation.report import Report, write_report
from convnets.training.going_on import images_of
from convnets.training.objectives.embedding import check_classifies
from convnets.training.run import Run, resolve_model_folder
from convnets.training.task import Progress, prepare

__all__ = ["Judged", "evaluate_model", "write_evaluation_report"]

PARTS = ("train", "validation", "test")
_MISTAKES_SHOWN = 24


@dataclass(frozen=True)
class Judged:
    """A trained model, the images it was judged on, and how it did."""

    model: TrainedModel
    images: ImageSet
    part: str
    evaluation: Evaluation
    source: str
    """The run or model folder."""


def evaluate_model(
    source: Path | str,
    data: str | Path | None = None,
    *,
    part: str | None = None,
    views: int = 1,
    hardware: Hardware | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Judged:
    """Evaluate the run or model folder `source`.

    Args:
        data: a data set's name, or a folder or zip; by default the run's own.
        part: `train`, `validation` or `test`; by default the last of them that is there.
        views: 1, 2, 5, 6 or 10 views averaged per picture.
        workers: processes that decode pictures which are still files; by default as many as there are cores.

    The validation part of a run's own data is the very split that the run was validated on. Raises UsageError
    for a part that is not there and DataError when the data have other classes than the model.
    """
    folder = resolve_model_folder(source)
    model = load_model(folder, "cpu" if hardware is None else hardware.device)
    check_classifies(model)
    run = Run(source) if folder != Path(source) else None
    if data is None:
        if run is None or run.settings["data"]["name"] is None:
            raise UsageError(f"{source} does not say which images it was trained on; give some with --data")
        splits = _run_splits(run, model, part, progress)
    else:
        splits = load_data(data, progress=progress)
    _check_classes(model, splits)
    parts = splits.parts()
    chosen = part or next(name for name in reversed(PARTS) if name in parts)
    if chosen not in parts:
        raise UsageError(f"part {chosen!r} of {splits.source}; allowed: {', '.join(parts)}")
    images = parts[chosen]

    def report(done: int, total: int) -> None:
        if progress is not None:
            progress(f"evaluating {chosen}", done, total)

    evaluation = evaluate(
        model.network,
        images,
        model.preprocess,
        hardware=None if hardware is None else settle_precision(hardware, model.metrics),
        views=views,
        workers=usable_cores() if workers is None else workers,
        progress=report,
    )
    return Judged(model, images, chosen, evaluation, str(source))


def _run_splits(run: Run, model: TrainedModel, part: str | None, progress: Progress | None) -> Splits:
    """The run's data; decoded and split as for training where the part asked for needs that."""
    if part in (None, "test") and not run.config.skip_corrupt:
        splits = load_data(images_of(run), progress=progress)
        if splits.test is not None:
            return splits
    device = str(next(model.network.parameters()).device)
    # the model has its weights, and knows its size, which weights that it once started from may have decided
    config = replace(
        run.config, initialiser=None, start=None, freeze=(), size=model.preprocess.size, device=device
    )
    task = prepare(model.network, images_of(run), config, progress=progress)
    return Splits(task.train, task.validation, task.test)


def _check_classes(model: TrainedModel, splits: Splits) -> None:
    if model.classes != splits.classes:
        own, other = set(model.classes), set(splits.classes)
        what = f"only in the model: {sorted(own - other)[:5]}; only in the images: {sorted(other - own)[:5]}"
        raise DataError(
            f"{splits.source} has other classes than the model ({what}); the classes must be equal"
        )


def write_evaluation_report(path: Path, judged: Judged) -> Path:
    """Write a page about the evaluation; returns the path."""
    pictures = mistake_pictures(judged.evaluation, judged.images, judged.model.preprocess, _MISTAKES_SHOWN)
    architecture = judged.model.architecture
    report = Report(
        title=f"{architecture['name'] if architecture else 'network'} on {judged.images.source}",
        summary={"model": judged.source, "images": f"{len(judged.images):,}, {judged.part}"},
        evaluation=judged.evaluation,
        pictures=pictures,
        evaluated_on=judged.part,
    )
    return write_report(path, report)

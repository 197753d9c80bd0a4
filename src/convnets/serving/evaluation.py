"""Evaluating a run or a model folder on the images it comes with, or on others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from convnets.checkpoints.model_folder import TrainedModel
from convnets.core.hardware import Hardware, usable_cores
from convnets.core.progress import Progress
from convnets.data.image_set import ImageSet
from convnets.evaluation.evaluate import evaluate
from convnets.evaluation.evaluation import Evaluation
from convnets.evaluation.mistakes import mistake_pictures
from convnets.evaluation.precision import settle_precision
from convnets.evaluation.report.page import Report, write_report
from convnets.evaluation.scores import hardware_for
from convnets.serving.engines import Engine, choose_engine
from convnets.serving.model_and_images import open_model_and_images

__all__ = ["Judged", "evaluate_model", "write_evaluation_report"]

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
    engine: Engine
    """What computed the answers."""


def evaluate_model(
    source: Path | str,
    data: str | Path | None = None,
    *,
    part: str | None = None,
    views: int = 1,
    hardware: Hardware | None = None,
    workers: int | None = None,
    engine: str = "convnets",
    progress: Progress | None = None,
) -> Judged:
    """Evaluate the run, model folder or ONNX file `source`.

    Args:
        data: a data set's name, or a folder or zip; by default the run's own.
        part: `train`, `validation` or `test`; by default the last of them that is there.
        views: 1, 2, 5, 6 or 10 views averaged per picture.
        workers: processes that decode pictures which are still files; by default as many as there are cores.
        engine: what computes: `convnets`, `onnxruntime` or `auto` (`choose_engine`).

    The validation part of a run's own data is the very split that the run was validated on. Raises UsageError
    for a part that is not there and DataError when the data have other classes than the model.
    """
    chosen = open_model_and_images(
        source, data, part=part, hardware=hardware, progress=progress, only_to_ask=True
    )
    model, images = chosen.model, chosen.images

    def report(done: int, total: int) -> None:
        if progress is not None:
            progress(f"evaluating {chosen.part}", done, total)

    settled = None if hardware is None else settle_precision(hardware, model.metrics)
    placed = hardware_for(model.network, settled)
    answering = choose_engine(model.network.eval(), model.preprocess, placed, engine)
    by_onnx = answering.engine.name == "onnxruntime"
    evaluation = evaluate(
        answering.network if by_onnx else model.network,
        images,
        model.preprocess,
        hardware=answering.hardware if by_onnx else settled,
        views=views,
        workers=usable_cores() if workers is None else workers,
        progress=report,
    )
    return Judged(model, images, chosen.part, evaluation, str(source), answering.engine)


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

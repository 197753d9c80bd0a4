"""A run or model folder evaluated on corrupted images."""

from __future__ import annotations

from pathlib import Path

from convnets.core.hardware import Hardware
from convnets.core.progress import Progress
from convnets.data.decode import decode_images
from convnets.evaluation.precision import settle_precision
from convnets.selection.robustness.corrupted_evaluation import CorruptedEvaluation, evaluate_corruptions
from convnets.serving.model_and_images import open_model_and_images

__all__ = ["evaluate_corrupted"]


def evaluate_corrupted(
    source: Path | str,
    data: str | Path | None = None,
    *,
    part: str | None = None,
    seed: int = 0,
    hardware: Hardware | None = None,
    progress: Progress | None = None,
) -> CorruptedEvaluation:
    """Evaluate a run, model folder or ONNX file under every corruption; data and part as in `evaluate_model`."""
    chosen = open_model_and_images(
        source, data, part=part, hardware=hardware, progress=progress, only_to_ask=True
    )
    model, images = chosen.model, chosen.images
    if not images.resident:
        images = decode_images(images, model.preprocess)

    def report(done: int, total: int) -> None:
        if progress is not None:
            progress("corrupting", done, total)

    return evaluate_corruptions(
        model.network,
        images,
        model.preprocess,
        seed=seed,
        hardware=None if hardware is None else settle_precision(hardware, model.metrics),
        progress=report,
    )

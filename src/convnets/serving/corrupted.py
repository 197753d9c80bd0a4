"""A run or model folder evaluated on corrupted images."""

from __future__ import annotations

from pathlib import Path

from convnets.core.hardware import Hardware
from convnets.core.progress import Progress
from convnets.data.decode import decode_images
from convnets.errors import UsageError
from convnets.evaluation.precision import settle_precision
from convnets.selection.robustness.chart import corruption_sheet
from convnets.selection.robustness.corrupted_evaluation import CorruptedEvaluation, evaluate_corruptions
from convnets.serving.model_and_images import ModelAndImages, open_model_and_images

__all__ = ["draw_corruptions", "evaluate_corrupted"]


def evaluate_corrupted(
    source: Path | str,
    data: str | Path | None = None,
    *,
    part: str | None = None,
    seed: int = 0,
    against: Path | str | None = None,
    hardware: Hardware | None = None,
    progress: Progress | None = None,
) -> tuple[CorruptedEvaluation, float | None]:
    """Evaluate a run, model folder or ONNX file under every corruption; data and part as in `evaluate_model`.

    The second value is the relative error with respect to `against`, another of these on the same images; None
    without one. Raises UsageError where its images are others.
    """

    def opened(which: Path | str) -> ModelAndImages:
        return open_model_and_images(
            which, data, part=part, hardware=hardware, progress=progress, only_to_ask=True
        )

    chosen = opened(source)
    found = _evaluated(chosen, seed, hardware, progress)
    if against is None:
        return found, None
    other = opened(against)
    if other.images.content_hash() != chosen.images.content_hash():
        raise UsageError(f"{against} has other images than {source}; give the same to both with --data")
    return found, found.relative_error(_evaluated(other, seed, hardware, progress))


def _evaluated(
    chosen: ModelAndImages, seed: int, hardware: Hardware | None, progress: Progress | None
) -> CorruptedEvaluation:
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


def draw_corruptions(
    path: Path, source: Path | str, data: str | Path | None = None, *, part: str | None = None
) -> Path:
    """Write the first image of the data under every corruption at every severity as a PNG."""
    images = open_model_and_images(source, data, part=part, only_to_ask=True)
    (pixels,) = decode_images(images.images.subset([0]), images.model.preprocess).pixels
    path.parent.mkdir(parents=True, exist_ok=True)
    corruption_sheet(pixels).draw().save(path)
    return path

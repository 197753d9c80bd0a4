"""Images held out of training: to calibrate on, and to choose by."""

from __future__ import annotations

from dataclasses import replace

from convnets.core.seeds import derive_seed
from convnets.data.image_set import ImageSet, Splits
from convnets.data.splits import split_off
from convnets.training.config import TrainConfig

__all__ = ["calibration_split", "validation_split"]


def calibration_split(splits: Splits, config: TrainConfig) -> tuple[Splits, ImageSet | None]:
    """The splits without the images to calibrate on, and those; None where the options ask for none.

    To be split off first, so that no later choice can touch them.
    """
    if not config.calibration:
        return splits, None
    rest, part = split_off(splits.train, config.calibration, seed=derive_seed(config.seed, "calibration"))
    return replace(splits, train=rest), part


def validation_split(
    splits: Splits, config: TrainConfig, notices: list[str]
) -> tuple[ImageSet, ImageSet | None]:
    """Training and validation images: those given, or a share split off from training; None where it is 0."""
    if splits.validation is None and config.validation > 0:
        seed = derive_seed(config.seed, "validation")
        company = 1 if config.objective == "classification" else 2  # a query needs another image of its class
        return split_off(
            splits.train, config.validation, seed=seed, balanced=config.balanced_validation, company=company
        )
    if splits.validation is not None:
        missing = [name for name, count in splits.validation.class_counts().items() if count == 0]
        if missing:
            notices.append(f"no validation images of {', '.join(missing)}: their accuracy is not looked at")
        return splits.train, splits.validation
    return splits.train, None

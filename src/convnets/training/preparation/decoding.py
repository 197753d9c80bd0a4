"""Pictures decoded into memory where they fit, and those left out that cannot be decoded."""

from __future__ import annotations

import psutil

from convnets.core.hardware import Hardware
from convnets.core.progress import Progress
from convnets.data.decode import decode_images, drop_unreadable, resident_bytes
from convnets.data.image_set import ImageSet, Splits
from convnets.data.preprocess import Preprocess
from convnets.training.config import TrainConfig

__all__ = ["decode_where_it_fits", "readable"]


def decode_where_it_fits(
    splits: Splits,
    preprocess: Preprocess,
    config: TrainConfig,
    hardware: Hardware,
    notices: list[str],
    progress: Progress | None,
) -> Splits:
    """Decode files into memory where they fit."""
    needed = sum(resident_bytes(part, preprocess) for part in splits.parts().values() if not part.resident)
    free = psutil.virtual_memory().available
    limit = free / 2 if config.memory_limit is None else config.memory_limit * 1e9
    if needed > limit:
        notices.append(
            f"decoded images would take {needed / 1e9:.1f} GB, above the limit of {limit / 1e9:.1f} GB: "
            f"they are decoded as they are needed (worker processes: {config.workers})"
        )
        return splits
    decoded: dict[str, ImageSet] = {}
    for name, part in splits.parts().items():

        def report(done: int, total: int, name: str = name) -> None:
            if progress is not None:
                progress(f"decoding {name}", done, total)

        decoded[name] = decode_images(
            part, preprocess, threads=hardware.threads, skip_corrupt=config.skip_corrupt, progress=report
        )
        if len(decoded[name]) < len(part):
            notices.append(f"{len(part) - len(decoded[name])} unreadable pictures of {name} were left out")
    return Splits(decoded["train"], decoded.get("validation"), decoded.get("test"))


def readable(
    part: ImageSet, preprocess: Preprocess, config: TrainConfig, hardware: Hardware, notices: list[str]
) -> ImageSet:
    """A streamed part to judge by, without what cannot be decoded; of the training images those are left out as met."""
    if part.resident or not config.skip_corrupt:
        return part
    kept = drop_unreadable(part, preprocess, threads=hardware.threads, skip_corrupt=config.skip_corrupt)
    if len(kept) < len(part):
        notices.append(f"{len(part) - len(kept)} unreadable pictures are left out of every evaluation")
    return kept

"""Pictures decoded into memory where they fit, and those left out that cannot be decoded."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import psutil
from torch import Tensor

from convnets.core.hardware import Hardware
from convnets.core.progress import Progress
from convnets.data.decode import decode_images, drop_unreadable, resident_bytes
from convnets.data.image_set import ImageSet, Splits
from convnets.data.images.decoded_cache import DecodedCache
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
    cache, kept = DecodedCache(), dict[str, list[str]]()
    decoded: dict[str, ImageSet] = {}
    for name, part in splits.parts().items():

        def report(done: int, total: int, name: str = name) -> None:
            if progress is not None:
                progress(f"decoding {name}", done, total)

        decoded[name], how = _decoded(part, preprocess, config, hardware, report, cache)
        kept.setdefault(how, []).append(name)
        if len(decoded[name]) < len(part):
            notices.append(f"{len(part) - len(decoded[name])} unreadable pictures of {name} were left out")
    switch = "CONVNETS_DECODED=0 decodes each time"
    if "found" in kept:
        notices.append(
            f"decoded pictures ({', '.join(kept['found'])}) were found in {cache.folder}; {switch}"
        )
    if "kept" in kept:
        notices.append(f"decoded pictures ({', '.join(kept['kept'])}) are kept in {cache.folder}; {switch}")
    return Splits(decoded["train"], decoded.get("validation"), decoded.get("test"))


def _decoded(
    part: ImageSet,
    preprocess: Preprocess,
    config: TrainConfig,
    hardware: Hardware,
    report: Callable[[int, int], None],
    cache: DecodedCache,
) -> tuple[ImageSet, str]:
    """A part in memory, from the cache where it is there; and "found", "kept" or "" for what the cache did."""

    def decode() -> ImageSet:
        return decode_images(
            part, preprocess, threads=hardware.threads, skip_corrupt=config.skip_corrupt, progress=report
        )

    # which pictures are left out depends on how many may be, and on what is said of each
    if isinstance(part.images, Tensor) or config.skip_corrupt or not cache.is_on:
        return decode(), ""
    path = cache.path_for(part.images.content_hash(), preprocess.channels, preprocess.resize)
    if (found := cache.find(path)) is not None and len(found) == len(part):
        return replace(part, images=found), "found"
    started = time.perf_counter()
    made = decode()
    assert isinstance(made.images, Tensor)
    return made, "kept" if cache.keep(path, made.images, time.perf_counter() - started) else ""


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

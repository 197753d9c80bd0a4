"""Decode pictures from files into memory, once, as uint8: what fits there is never decoded again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convnets.core.hardware import usable_cores
from convnets.data.image_set import ImageSet, PictureFiles
from convnets.data.images.pillow_warnings import quiet_pillow
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, DataError, ImageDecodeError

__all__ = [
    "PictureProbe",
    "count_failure",
    "decode_images",
    "drop_unreadable",
    "probe_pictures",
    "resident_bytes",
]

_CHUNK = 64  # pictures of one task: small enough for a smooth progress bar, large enough to cost nothing
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PictureProbe:
    """What a sample of the pictures looks like, before any preprocessing."""

    channels: int
    """1 when every picture of the sample is gray, otherwise 3."""
    uniform_size: tuple[int, int] | None
    """(height, width) in pixels when all of the sample share it, otherwise None."""


def probe_pictures(image_set: ImageSet, sample: int = 256) -> PictureProbe:
    """Channels and size of `sample` pictures, evenly spaced; of all, without looking, when they are in memory.

    A damaged picture is passed over, as decoding will name it; raises ImageDecodeError when all of them are.

    >>> images = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    >>> probe_pictures(ImageSet(images, torch.tensor([0, 1]), ("a", "b"), "an example"))
    PictureProbe(channels=1, uniform_size=(28, 28))
    """
    if isinstance(image_set.images, Tensor):
        channels, height, width = image_set.images.shape[1:]
        return PictureProbe(channels, (height, width))
    if sample < 1:
        raise ConfigError(f"sample is {sample}; allowed: 1 or more")
    modes, sizes = set(), set()
    failure: ImageDecodeError | None = None
    for index in _evenly_spaced(len(image_set), sample):
        try:
            picture = image_set.images.open(index)
        except ImageDecodeError as error:
            failure = failure or error
            continue
        modes.add(picture.mode)
        sizes.add((picture.height, picture.width))
    if failure is not None and not sizes:
        raise failure
    return PictureProbe(1 if modes == {"L"} else 3, sizes.pop() if len(sizes) == 1 else None)


def _evenly_spaced(count: int, sample: int) -> Sequence[int]:
    return range(count) if count <= sample else [index * count // sample for index in range(sample)]


def resident_bytes(image_set: ImageSet, preprocess: Preprocess) -> int:
    """Bytes that the images take in memory once decoded: N × channels × `resize`², or what they take already.

    >>> images = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    >>> resident_bytes(ImageSet(images, torch.tensor([0, 1]), ("a", "b"), "x"), Preprocess.plain(1, 28))
    1568
    """
    if image_set.resident:
        return image_set.nbytes
    return len(image_set) * preprocess.channels * preprocess.resize**2


def decode_images(
    image_set: ImageSet,
    preprocess: Preprocess,
    *,
    threads: int = 0,
    skip_corrupt: int = 0,
    progress: Callable[[int, int], None] | None = None,
    on_skip: Callable[[ImageDecodeError], None] | None = None,
) -> ImageSet:
    """The same set with its images in memory: uint8 N×C×R×R, C = `preprocess.channels`, R = `preprocess.resize`.

    The short side is scaled to R and the center kept. Images that are in memory already are returned as they are.
    `threads=0` takes the cores that this process may use. A picture that cannot be decoded raises its
    ImageDecodeError; up to `skip_corrupt` of them are left out instead, each reported to `on_skip` (default: a
    logged warning), and one more than that raises DataError. `progress` is called with (done, all).
    """
    if threads < 0 or skip_corrupt < 0:
        raise ConfigError(f"threads is {threads}, skip_corrupt is {skip_corrupt}; allowed: 0 or more")
    files = image_set.images
    if isinstance(files, Tensor):
        return image_set
    count, side = len(image_set), preprocess.resize
    pixels = torch.empty(count, preprocess.channels, side, side, dtype=torch.uint8)
    skipped: list[int] = []
    for done, failures in _in_threads(files, preprocess, pixels, count, threads or usable_cores()):
        for index, error in failures:
            count_failure(error, skipped, index, skip_corrupt, image_set.source, on_skip)
        if progress is not None:
            progress(done, count)
    return _without(replace(image_set, images=pixels), skipped)


def drop_unreadable(
    image_set: ImageSet, preprocess: Preprocess, *, threads: int = 0, skip_corrupt: int
) -> ImageSet:
    """The same set without the pictures that cannot be decoded, still as files; every one is read for it.

    What cannot be decoded is treated as by `decode_images`. For parts that a score is taken on: there no picture
    may be missing in one evaluation and counted in the next.
    """
    files = image_set.images
    if isinstance(files, Tensor):
        return image_set
    skipped: list[int] = []
    for _, failures in _in_threads(files, preprocess, None, len(image_set), threads or usable_cores()):
        for index, error in failures:
            count_failure(error, skipped, index, skip_corrupt, image_set.source, None)
    return _without(image_set, skipped)


Failures = list[tuple[int, ImageDecodeError]]


def _in_threads(
    files: PictureFiles, preprocess: Preprocess, pixels: Tensor | None, count: int, threads: int
) -> Iterator[tuple[int, Failures]]:
    """Decode all on a few threads (Pillow works outside Python's lock), a bounded number ahead; count those done."""
    tasks = (range(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK))

    def decode(indices: range) -> tuple[int, Failures]:
        failures: Failures = []
        for index in indices:
            try:
                stored = preprocess.store(files.open(index))
                if pixels is not None:
                    pixels[index] = stored
            except ImageDecodeError as error:
                failures.append((index, error))
        return indices.stop, failures

    waiting: list[Future[tuple[int, Failures]]] = []
    with quiet_pillow(), ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(decode, task))
                if len(waiting) >= 4 * threads:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:  # an error or Ctrl-C must not wait for what was only planned
            pool.shutdown(wait=False, cancel_futures=True)


def count_failure(
    error: ImageDecodeError,
    skipped: list[int],
    index: int,
    cap: int,
    source: str,
    on_skip: Callable[[ImageDecodeError], None] | None,
) -> None:
    """Put picture `index` on the list of those left out, and say so; raise where that is one more than `cap`."""
    if cap == 0:
        raise error
    skipped.append(index)
    if len(skipped) > cap:
        raise DataError(
            f"{source}: more than {cap} pictures cannot be decoded (skip_corrupt); the last: {error}"
        )
    if on_skip is None:
        _logger.warning("left out: %s", error)
    else:
        on_skip(error)


def _without(image_set: ImageSet, skipped: Sequence[int]) -> ImageSet:
    if not skipped:
        return image_set
    kept = torch.ones(len(image_set), dtype=torch.bool)
    kept[torch.tensor(skipped)] = False
    return image_set.subset(kept.nonzero().flatten())

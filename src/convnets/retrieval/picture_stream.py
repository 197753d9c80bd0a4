"""Picture stream: batches of decoded pictures, decoded on other threads while the network is at the batch before.

N images, C channels, R short side that pictures are stored with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from convnets.data.image_set import PictureFiles
from convnets.data.pillow_warnings import quiet_pillow
from convnets.data.preprocess import Preprocess
from convnets.errors import ImageDecodeError

__all__ = ["PictureBatch", "stream_pictures"]

_TASK = 32  # pictures of one task on a thread
_AHEAD = 3  # batches decoded before they are asked for


@dataclass(frozen=True)
class PictureBatch:
    """Pictures that could be decoded, and why others could not."""

    start: int
    """Place of the batch's first image."""
    stop: int
    """Place after its last."""
    pixels: Tensor
    """uint8 n×C×R×R, or of the images' own size where they were in memory."""
    rows: list[int]
    """The place of each of them."""
    failures: list[tuple[int, str]]
    """Place and reason of each of the others."""


def stream_pictures(
    images: Tensor | PictureFiles, preprocess: Preprocess, size: int, *, start: int = 0, threads: int = 1
) -> Iterator[PictureBatch]:
    """The images from `start` on, in order, `size` at a time.

    >>> batches = stream_pictures(torch.zeros(5, 1, 8, 8, dtype=torch.uint8), Preprocess.plain(1, 8), 4)
    >>> [batch.rows for batch in batches]
    [[0, 1, 2, 3], [4]]
    """
    spans = [(first, min(first + size, len(images))) for first in range(start, len(images), size)]
    if isinstance(images, Tensor):
        for first, stop in spans:
            yield PictureBatch(first, stop, images[first:stop], list(range(first, stop)), [])
        return
    files = images

    def decode(places: Sequence[int]) -> list[Tensor | str]:
        return [_decoded(files, place, preprocess) for place in places]

    with quiet_pillow(), ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        waiting: list[tuple[int, int, list[Future[list[Tensor | str]]]]] = []
        try:
            for first, stop in spans:
                tasks = [range(at, min(at + _TASK, stop)) for at in range(first, stop, _TASK)]
                waiting.append((first, stop, [pool.submit(decode, task) for task in tasks]))
                if len(waiting) > _AHEAD:
                    yield _together(*waiting.pop(0), preprocess)
            while waiting:
                yield _together(*waiting.pop(0), preprocess)
        finally:  # an error or Ctrl-C must not wait for what was only planned
            pool.shutdown(wait=False, cancel_futures=True)


def _decoded(files: PictureFiles, place: int, preprocess: Preprocess) -> Tensor | str:
    try:
        return preprocess.store(files.open(place))
    except ImageDecodeError as error:
        return str(error)


def _together(
    first: int, stop: int, futures: Sequence[Future[list[Tensor | str]]], preprocess: Preprocess
) -> PictureBatch:
    answers = [answer for future in futures for answer in future.result()]
    rows = [first + place for place, answer in enumerate(answers) if isinstance(answer, Tensor)]
    pixels = [answer for answer in answers if isinstance(answer, Tensor)]
    failures = [(first + place, answer) for place, answer in enumerate(answers) if isinstance(answer, str)]
    side = preprocess.resize
    empty = torch.empty(0, preprocess.channels, side, side, dtype=torch.uint8)
    return PictureBatch(first, stop, torch.stack(pixels) if pixels else empty, rows, failures)

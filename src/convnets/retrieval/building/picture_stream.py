"""Picture stream: batches of decoded pictures, decoded elsewhere while the network is at the batch before.

N images, C channels, R short side that pictures are stored with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from convnets.core.forks import start_workers
from convnets.data.image_set import PictureFiles
from convnets.data.images.pillow_warnings import quiet_pillow
from convnets.data.preprocess import Preprocess
from convnets.errors import ImageDecodeError

__all__ = ["PictureBatch", "stream_pictures"]

_TASK = 32  # pictures of one task on a thread
_AHEAD = 3  # batches decoded before they are asked for
_MANY = 4096  # pictures for which starting processes pays: they do not share Python's lock as threads do


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
    images: Tensor | PictureFiles, preprocess: Preprocess, size: int, *, start: int = 0, workers: int = 1
) -> Iterator[PictureBatch]:
    """The images from `start` on, in order, `size` at a time.

    Files are decoded by `workers` threads, or processes where there are many files.

    >>> batches = stream_pictures(torch.zeros(5, 1, 8, 8, dtype=torch.uint8), Preprocess.plain(1, 8), 4)
    >>> [batch.rows for batch in batches]
    [[0, 1, 2, 3], [4]]
    """
    spans = [range(first, min(first + size, len(images))) for first in range(start, len(images), size)]
    if isinstance(images, Tensor):
        for span in spans:
            yield PictureBatch(span.start, span.stop, images[span.start : span.stop], list(span), [])
        return
    decoder = _Decoder(images, preprocess)
    many = len(images) - start >= _MANY
    yield from _by_processes(decoder, spans, workers) if many else _by_threads(decoder, spans, workers)


class _Decoder(Dataset["Tensor | str"]):
    """Picture by its place: uint8 C×R×R, or why it cannot be decoded."""

    def __init__(self, files: PictureFiles, preprocess: Preprocess) -> None:
        self.files, self.preprocess = files, preprocess

    def __getitem__(self, place: int) -> Tensor | str:
        try:
            return self.preprocess.store(self.files.open(place))
        except ImageDecodeError as error:
            return str(error)

    def together(self, span: range, answers: Sequence[Tensor | str]) -> PictureBatch:
        rows = [place for place, answer in zip(span, answers, strict=True) if isinstance(answer, Tensor)]
        pixels = [answer for answer in answers if isinstance(answer, Tensor)]
        failures = [(place, each) for place, each in zip(span, answers, strict=True) if isinstance(each, str)]
        side = self.preprocess.resize
        empty = torch.empty(0, self.preprocess.channels, side, side, dtype=torch.uint8)
        return PictureBatch(span.start, span.stop, torch.stack(pixels) if pixels else empty, rows, failures)


class _Spans(Dataset[PictureBatch]):
    """A batch by its number: put together by the worker, so that it travels as one tensor."""

    def __init__(self, decoder: _Decoder, spans: Sequence[range]) -> None:
        self.decoder, self.spans = decoder, spans

    def __len__(self) -> int:
        return len(self.spans)

    def __getitem__(self, number: int) -> PictureBatch:
        span = self.spans[number]
        with quiet_pillow():
            return self.decoder.together(span, [self.decoder[place] for place in span])


def _by_processes(decoder: _Decoder, spans: Sequence[range], workers: int) -> Iterator[PictureBatch]:
    loader = DataLoader(_Spans(decoder, spans), batch_size=None, num_workers=workers, prefetch_factor=_AHEAD)
    yield from start_workers(loader)


def _by_threads(decoder: _Decoder, spans: Sequence[range], workers: int) -> Iterator[PictureBatch]:
    def decode(places: Sequence[int]) -> list[Tensor | str]:
        return [decoder[place] for place in places]

    def finished(span: range, futures: Sequence[Future[list[Tensor | str]]]) -> PictureBatch:
        return decoder.together(span, [answer for future in futures for answer in future.result()])

    with quiet_pillow(), ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        waiting: list[tuple[range, list[Future[list[Tensor | str]]]]] = []
        try:
            for span in spans:
                tasks = [span[at : at + _TASK] for at in range(0, len(span), _TASK)]
                waiting.append((span, [pool.submit(decode, task) for task in tasks]))
                if len(waiting) > _AHEAD:
                    yield finished(*waiting.pop(0))
            while waiting:
                yield finished(*waiting.pop(0))
        finally:  # an error or Ctrl-C must not wait for what was only planned
            pool.shutdown(wait=False, cancel_futures=True)

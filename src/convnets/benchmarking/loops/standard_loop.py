"""The standard loop: training as a reader of *Dive into Deep Learning* runs it, the base of the comparison.

Pictures are decoded one by one in four worker processes, the network computes in fp32, batch by batch in N×C×H×W
order, and after every step loss and hits are read back into Python numbers. Nothing here is slowed down on
purpose, and nothing is tuned: it is the loop of the book's chapters 3 to 8 written anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from convnets.benchmarking.loop import Work, wait_for_device
from convnets.benchmarking.workload import Workload, build_network, load_images, plain_hardware
from convnets.data.image_set import ImageSet

__all__ = ["WORKERS", "PictureDataset", "StandardLoop"]

WORKERS = 4
"""Processes that prepare pictures, as in the book."""


class PictureDataset(Dataset[tuple[Tensor, int]]):
    """An ImageSet as torchvision's data sets give theirs: one picture at a time, through Pillow, as float in [0, 1].

    >>> images = ImageSet(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]), ("a", "b"), "x")
    >>> image, label = PictureDataset(images, 28)[1]
    >>> image.shape, label
    (torch.Size([1, 28, 28]), 1)
    """

    def __init__(self, images: ImageSet, size: int) -> None:
        self.pixels, self.labels, self.size = images.pixels, images.labels, size

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        array = self.pixels[index].numpy()  # C×H×W
        picture = Image.fromarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0).copy())
        if picture.size != (self.size, self.size):
            picture = picture.resize((self.size, self.size), Image.Resampling.BILINEAR)
        return _to_tensor(picture), int(self.labels[index])


def _to_tensor(picture: Image.Image) -> Tensor:
    """A picture in mode L or RGB → float32 C×H×W in [0, 1]."""
    array = np.array(picture)
    array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    return torch.from_numpy(array).contiguous().to(torch.float32).div(255)


class _Accumulator:
    """Sums of several Python numbers, kept over an epoch."""

    def __init__(self, count: int) -> None:
        self.sums = [0.0] * count

    def add(self, *values: float) -> None:
        self.sums = [total + float(value) for total, value in zip(self.sums, values, strict=True)]


class StandardLoop:
    """fp32, eager, plain SGD, a DataLoader. The time until the loader's first batch is left out, in its favor."""

    def __init__(self, workload: Workload) -> None:
        self.device = plain_hardware(workload).device
        images = load_images(workload)
        self.network = build_network(workload, images).to(self.device)
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=workload.learning_rate)
        torch.manual_seed(workload.seed)
        self.loader = DataLoader(
            PictureDataset(images, workload.size),
            batch_size=workload.batch_size,
            shuffle=True,
            num_workers=WORKERS,
        )
        self._batches: Iterator[tuple[Tensor, Tensor]] | None = None
        self._start_up = 0.0  # seconds of the steps under way that starting the loader took

    def run(self, steps: int) -> Work:
        """`steps` steps, over as many epochs as they take."""
        metric = _Accumulator(3)  # loss, hits, images
        self._start_up = waited = 0.0
        self.network.train()
        started = time.perf_counter()
        for _ in range(steps):
            before = time.perf_counter()
            images, labels = self._next_batch()
            waited += time.perf_counter() - before
            images, labels = images.to(self.device), labels.to(self.device)
            scores, loss = self.step(images, labels)
            with torch.no_grad():
                metric.add(float(loss * len(labels)), _hits(scores, labels), len(labels))
        wait_for_device(self.device)
        seconds = time.perf_counter() - started - self._start_up
        total_loss, _, count = metric.sums
        return Work(int(count), seconds, waited - self._start_up, total_loss / count)

    def step(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """One update on float32 N×C×S×S; the scores N×K and the mean loss before it."""
        self.optimizer.zero_grad()
        scores = self.network(images)
        loss = self.loss(scores, labels)
        loss.backward()
        self.optimizer.step()
        return scores, loss

    def _next_batch(self) -> tuple[Tensor, Tensor]:
        batch = None if self._batches is None else next(self._batches, None)
        if batch is None:
            before = time.perf_counter()
            self._batches = iter(self.loader)
            batch = next(self._batches)
            self._start_up += time.perf_counter() - before
        return batch


def _hits(scores: Tensor, labels: Tensor) -> float:
    return float((scores.argmax(1).type(labels.dtype) == labels).type(labels.dtype).sum())

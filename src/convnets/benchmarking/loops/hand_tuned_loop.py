"""The hand-tuned loop: what a good practitioner writes in an afternoon with PyTorch alone."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.benchmarking.loop import Work, wait_for_device
from convnets.benchmarking.workload import Workload, build_network, load_images, plain_hardware

__all__ = ["HandTunedLoop"]


class HandTunedLoop:
    """All images in memory as uint8, gathered and resized as tensors; bf16 autocast where the device has it,
    channels-last network and batches, fused SGD, metrics that are never read back within the epoch.
    """

    def __init__(self, workload: Workload) -> None:
        self.hardware = plain_hardware(workload)
        self.device = self.hardware.device
        images = load_images(workload)
        self.pixels, self.labels = images.pixels.to(self.device), images.labels.to(self.device)
        self.size, self.batch_size = workload.size, workload.batch_size
        network = build_network(workload, images).to(self.device)
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        fused = self.device.type in ("cpu", "cuda")
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=workload.learning_rate, fused=fused)
        torch.manual_seed(workload.seed)
        self._order = torch.empty(0, dtype=torch.int64)

    def run(self, steps: int) -> Work:
        """`steps` steps, over as many epochs as they take."""
        loss_sum = torch.zeros((), device=self.device)
        hits = torch.zeros((), dtype=torch.int64, device=self.device)
        images_seen, waited = 0, 0.0
        self.network.train()
        started = time.perf_counter()
        for _ in range(steps):
            before = time.perf_counter()
            images, labels = self._next_batch()
            waited += time.perf_counter() - before
            scores, loss = self.step(images, labels)
            with torch.no_grad():
                loss_sum += loss.detach() * len(labels)
                hits += (scores.detach().argmax(1) == labels).sum()
            images_seen += len(labels)
        wait_for_device(self.device)
        seconds = time.perf_counter() - started
        return Work(images_seen, seconds, waited, float(loss_sum) / images_seen)

    def step(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """One update on float32 N×C×S×S; the scores N×K and the mean loss before it."""
        self.optimizer.zero_grad(set_to_none=True)
        with self.hardware.autocast():
            scores = self.network(images)
            loss = F.cross_entropy(scores.float(), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return scores, loss

    def prepare(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The images at `indices` as float32 N×C×S×S in [0, 1], channels last, and their labels."""
        images = self.pixels[indices].to(torch.float32).div_(255)
        if images.shape[-2:] != (self.size, self.size):
            shrinks = self.size < min(images.shape[-2:])
            images = F.interpolate(
                images, size=(self.size, self.size), mode="bilinear", align_corners=False, antialias=shrinks
            )
        return images.contiguous(memory_format=torch.channels_last), self.labels[indices]

    def _next_batch(self) -> tuple[Tensor, Tensor]:
        if len(self._order) == 0:
            self._order = torch.randperm(len(self.labels)).to(self.device)
        indices, self._order = self._order[: self.batch_size], self._order[self.batch_size :]
        return self.prepare(indices)

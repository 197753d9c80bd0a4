"""Plain inference: the evaluation loop of a tutorial, the base that ours is compared with."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F

from convnets.benchmarking.loop import Work, wait_for_device
from convnets.benchmarking.workload import Workload, build_network, load_images, plain_hardware

__all__ = ["PlainInference"]


class PlainInference:
    """fp32 batches N×C×H×W from images in memory, without gradients; loss and hits read back batch by batch."""

    def __init__(self, workload: Workload) -> None:
        self.device = plain_hardware(workload).device
        self.images = load_images(workload)
        self.network = build_network(workload, self.images).to(self.device)
        self.size, self.batch_size = workload.size, workload.batch_size

    @torch.no_grad()
    def run(self, steps: int) -> Work:
        """`steps` batches, from the first on."""
        self.network.eval()
        total_loss = hits = waited = 0.0
        count = steps * self.batch_size
        order = torch.arange(count) % len(self.images)
        started = time.perf_counter()
        for indices in torch.split(order, self.batch_size):
            before = time.perf_counter()
            batch = self.images.pixels[indices].to(torch.float32).div_(255)
            if batch.shape[-2:] != (self.size, self.size):
                batch = F.interpolate(batch, size=(self.size, self.size), mode="bilinear")
            batch, labels = batch.to(self.device), self.images.labels[indices].to(self.device)
            waited += time.perf_counter() - before
            scores = self.network(batch)
            total_loss += float(F.cross_entropy(scores, labels)) * len(labels)
            hits += float((scores.argmax(1) == labels).sum())
        wait_for_device(self.device)
        return Work(count, time.perf_counter() - started, waited, total_loss / count)

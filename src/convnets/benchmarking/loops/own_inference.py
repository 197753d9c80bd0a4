"""Our own inference: `evaluate`, as the commands call it."""

from __future__ import annotations

import time

import torch

from convnets.benchmarking.loop import Work, wait_for_device
from convnets.benchmarking.workload import Workload, build_network, load_images
from convnets.core.hardware import choose_hardware
from convnets.data.preprocess import Preprocess
from convnets.evaluation.evaluate import evaluate

__all__ = ["OwnInference"]


class OwnInference:
    """`evaluate` on images in memory, its own choice of how many at once, measures and checks included."""

    def __init__(self, workload: Workload) -> None:
        self.hardware = choose_hardware(workload.device, workload.precision, workload.threads)
        self.images = load_images(workload)
        self.network = build_network(workload, self.images).to(self.hardware.device)
        self.preprocess = Preprocess.plain(self.network.in_channels, workload.size)
        self.batch_size = workload.batch_size

    def run(self, steps: int) -> Work:
        """`steps` batches' worth of images, from the first on."""
        count = steps * self.batch_size
        images = self.images.subset(torch.arange(count) % len(self.images))
        started = time.perf_counter()
        evaluation = evaluate(self.network, images, self.preprocess, hardware=self.hardware)
        wait_for_device(self.hardware.device)
        return Work(count, time.perf_counter() - started, 0.0, evaluation.loss)

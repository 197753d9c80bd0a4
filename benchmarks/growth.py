"""What a long run costs: memory and seconds of every epoch, seconds for more images, and the time to the first step.

Usage: python benchmarks/growth.py --network lenet_bn --data fashion-mnist --epochs 50 --json growth.json

Memory is what the process holds (resident) at the end of each epoch. The time to the first step is taken in a fresh
process from its start, imports included, with the kernels' choices remembered from the runs before.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import torch

from convnets.data.image_set import Splits
from convnets.data.sources import load_data
from convnets.training.config import TrainConfig
from convnets.training.events import EpochEnded, Event
from convnets.training.train import train

FIRST_STEP = """
import sys, time
from convnets.training.config import TrainConfig
from convnets.training.events import StepEnded
from convnets.training.train import train
def listen(event):
    if isinstance(event, StepEnded):
        print(time.time() - float(sys.argv[4]))
        raise KeyboardInterrupt
train(sys.argv[1], sys.argv[2], TrainConfig(epochs=1, batch_size=256), output=sys.argv[3], listeners=[listen])
"""


class Epochs:
    """A listener that notes time and memory of each epoch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.resident: list[int] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, EpochEnded):
            self.seconds.append(event.seconds)
            self.resident.append(psutil.Process().memory_info().rss)


def observe(network: str, splits: Splits, config: TrainConfig) -> Epochs:
    """Train and note."""
    epochs = Epochs()
    with tempfile.TemporaryDirectory() as folder:
        train(network, splits, config, output=folder, listeners=[epochs])
    return epochs


def first_step(network: str, data: str) -> float:
    """Seconds from the start of a process to the end of its first step."""
    with tempfile.TemporaryDirectory() as folder:
        # the start by this process's clock: the system tells that of a process to whole seconds only
        command = [sys.executable, "-c", FIRST_STEP, network, data, folder, str(time.time())]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", default="lenet_bn")
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    splits = load_data(arguments.data)
    config = TrainConfig(epochs=arguments.epochs, batch_size=256)
    long = observe(arguments.network, splits, config)
    sizes: dict[int, float] = {}
    for share in (0.25, 0.5, 1.0):
        part = splits.train.subset(torch.arange(int(share * len(splits.train))))
        few = observe(arguments.network, Splits(part), replace(config, epochs=4))
        sizes[len(part)] = min(few.seconds[1:])
    starts = [first_step(arguments.network, arguments.data) for _ in range(3)]
    third = max(1, arguments.epochs // 3)
    result: dict[str, Any] = {
        "resident_mb": [round(value / 1e6) for value in long.resident],
        "seconds": [round(value, 3) for value in long.seconds],
        "seconds_per_epoch_by_images": sizes,
        "seconds_to_first_step": starts,
    }
    print(
        f"memory after epoch 2: {long.resident[1] / 1e6:,.0f} MB; after the last: {long.resident[-1] / 1e6:,.0f} MB"
    )
    first, last = sum(long.seconds[1 : 1 + third]) / third, sum(long.seconds[-third:]) / third
    print(f"seconds an epoch: first third {first:.2f}, last third {last:.2f}")
    print("seconds an epoch by images: " + ", ".join(f"{n:,}: {s:.2f}" for n, s in sizes.items()))
    print("seconds to the first step: " + ", ".join(f"{value:.1f}" for value in starts))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

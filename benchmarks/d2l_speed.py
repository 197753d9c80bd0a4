"""Time `convnets.d2l.train_ch6` on LeNet beside the book's own loop, in turn, and compare what both learn.

Usage: python benchmarks/d2l_speed.py --seeds 5 --epochs 3 --json d2l_speed.json

A side is a process that runs one call of `train_ch6` at a time: ours as a reader calls it, the book's as its chapter on
LeNet runs it (`benchmarking/loops/standard_loop.py`): every picture through Pillow, a DataLoader with four workers for
the training and another for the test images, fp32, and after each step loss and hits as Python numbers. The time is
that of the whole call: loaders, steps, the test images after each epoch, and in ours the figure. The first call of
each side, with the compiling and measuring of kernels, is a warm-up of one epoch and stated apart.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import multiprocessing
import re
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from convnets.benchmarking.loops.standard_loop import WORKERS, PictureDataset
from convnets.core.environment import describe_environment
from convnets.core.hardware import choose_hardware, usable_cores
from convnets.core.storage.files import write_json
from convnets.data.sources import load_data

BATCH_SIZE, LEARNING_RATE = 256, 0.9
TRAIN, TEST = 60_000, 10_000


@dataclass(frozen=True)
class Call:
    """One call of `train_ch6`."""

    seed: int
    seconds: float
    processor_seconds: float
    """Of the process and, in the book's loop, of its workers."""
    loss: float
    train_accuracy: float
    test_accuracy: float
    images_per_second: float
    """As the function prints it: steps alone."""


def lenet() -> nn.Sequential:
    """The book's."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, kernel_size=5, padding=2), nn.Sigmoid(), nn.AvgPool2d(kernel_size=2, stride=2)),
        *(nn.Conv2d(6, 16, kernel_size=5), nn.Sigmoid(), nn.AvgPool2d(kernel_size=2, stride=2)),
        nn.Flatten(),
        *(nn.Linear(16 * 5 * 5, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10)),
    )


def ours(seed: int, epochs: int) -> tuple[float, float, float, float]:
    """Loss, training and test accuracy, images per second, from the lines that it prints."""
    from convnets import d2l

    torch.manual_seed(seed)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        d2l.train_ch6(lenet(), *d2l.load_data_fashion_mnist(BATCH_SIZE), epochs, LEARNING_RATE, "cpu")
    d2l.plt.close("all")
    found = re.search(
        r"loss ([\d.]+), train acc ([\d.]+), test acc ([\d.]+)\n([\d.]+) examples", printed.getvalue()
    )
    assert found is not None
    loss, train, test, speed = map(float, found.groups())
    return loss, train, test, speed


def books(seed: int, epochs: int) -> tuple[float, float, float, float]:
    """The same of the book's loop, without its figure."""
    torch.manual_seed(seed)
    splits = load_data("fashion-mnist")
    assert splits.test is not None
    # a process of its own was spawned, and its workers would be too; a reader's on Linux are forked, in half the time
    start = "fork" if sys.platform == "linux" else "spawn"
    loaders = [
        DataLoader(
            PictureDataset(part, 28),
            BATCH_SIZE,
            shuffle=shuffle,
            num_workers=WORKERS,
            multiprocessing_context=start,
        )
        for part, shuffle in ((splits.train, True), (splits.test, False))
    ]
    network = lenet()
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)
    criterion = nn.CrossEntropyLoss()
    training, seen, test = 0.0, 0, 0.0
    for _ in range(epochs):
        sums = [0.0, 0.0, 0.0]  # loss, hits, images
        network.train()
        for X, y in loaders[0]:
            started = time.perf_counter()
            optimizer.zero_grad()
            scores = network(X)
            loss = criterion(scores, y)
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                more = (float(loss * len(y)), hits(scores, y), float(len(y)))
            sums = [total + value for total, value in zip(sums, more, strict=True)]
            training += time.perf_counter() - started
        seen += int(sums[2])
        network.eval()
        with torch.no_grad():
            test = sum(hits(network(X), y) for X, y in loaders[1]) / TEST
    return sums[0] / sums[2], sums[1] / sums[2], test, seen / training


def hits(scores: Tensor, y: Tensor) -> float:
    """How many are right."""
    return float((scores.argmax(1).type(y.dtype) == y).type(y.dtype).sum())


SIDES: dict[str, Callable[[int, int], tuple[float, float, float, float]]] = {"ours": ours, "book": books}


def serve(side: str, threads: int, pipe: Connection) -> None:
    """A side's process: seed and epochs in, a Call out, until None comes."""
    torch.set_num_threads(threads)
    warnings.filterwarnings("ignore", message="This DataLoader will create 4 worker processes")
    while (asked := pipe.recv()) is not None:
        seed, epochs = asked
        before, started = processor_seconds(), time.perf_counter()
        figures = SIDES[side](seed, epochs)
        seconds = time.perf_counter() - started
        pipe.send(Call(seed, seconds, processor_seconds() - before, *figures))


def processor_seconds() -> float:
    """Of this process and of those that it started and that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def summary(calls: dict[str, list[Call]], epochs: int) -> dict[str, Any]:
    """Ratios of medians with the range within the rounds, and the two test accuracies."""
    own, book = calls["ours"], calls["book"]
    pairs = list(zip(own, book, strict=True))
    result: dict[str, Any] = {}
    for name in ("seconds", "processor_seconds", "images_per_second"):
        turn = (lambda a, b: a / b) if name == "images_per_second" else (lambda a, b: b / a)
        mine, theirs = ([getattr(call, name) for call in each] for each in (own, book))
        within = [turn(getattr(a, name), getattr(b, name)) for a, b in pairs]
        result[name] = {
            "ours": statistics.median(mine),
            "book": statistics.median(theirs),
            "ratio": turn(statistics.median(mine), statistics.median(theirs)),
            "low": min(within),
            "high": max(within),
        }
    for name, each in calls.items():
        accuracies = [call.test_accuracy for call in each]
        spread = statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0
        result[f"test_accuracy_{name}"] = {"mean": statistics.fmean(accuracies), "standard_deviation": spread}
    mine, theirs = result["test_accuracy_ours"], result["test_accuracy_book"]
    error = math.hypot(mine["standard_deviation"], theirs["standard_deviation"]) / math.sqrt(len(own))
    result["difference"] = {"mean": mine["mean"] - theirs["mean"], "standard_error": error}
    result["training_images_per_second_of_the_whole_call"] = {
        name: TRAIN * epochs / result["seconds"][name] for name in ("ours", "book")
    }
    return result


def main() -> None:
    """Print a line per call and the summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    for side in SIDES:
        pipes[side], other = context.Pipe()
        context.Process(target=serve, args=(side, arguments.threads, other)).start()

    def call(side: str, seed: int, epochs: int) -> Call:
        pipes[side].send((seed, epochs))
        done: Call = pipes[side].recv()
        print(json.dumps({"side": side, "epochs": epochs, **asdict(done)}), flush=True)
        return done

    warm_up = {side: call(side, 1000, 1) for side in SIDES}
    calls: dict[str, list[Call]] = {side: [] for side in SIDES}
    for seed in range(arguments.seeds):
        for side in SIDES if seed % 2 == 0 else reversed(SIDES):
            calls[side].append(call(side, seed, arguments.epochs))
    for pipe in pipes.values():
        pipe.send(None)
    result = summary(calls, arguments.epochs)
    print(json.dumps(result, indent=2))
    if arguments.json is not None:
        hardware = choose_hardware("cpu", "auto", arguments.threads)
        write_json(
            arguments.json,
            {
                "environment": describe_environment(hardware),
                "epochs": arguments.epochs,
                "warm_up": {side: asdict(each) for side, each in warm_up.items()},
                "calls": {side: [asdict(each) for each in done] for side, done in calls.items()},
                "summary": result,
            },
        )


if __name__ == "__main__":
    main()

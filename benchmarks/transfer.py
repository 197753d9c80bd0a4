"""What starting from trained weights is worth: ResNet-20 learns three of CIFAR-10's classes from few pictures.

It is trained once on the seven other classes, and then on 50, 200 and 1,000 pictures of each new class, from those
weights and from scratch, with the same pictures, steps and augmentations. Each seed draws other pictures and weights.
Both ways first try three rates for each number of pictures, and are judged on other pictures, never on test pictures.
Runs take one thread each, `--processes` of them side by side.
Usage: python benchmarks/transfer.py cifar10-images.zip --seeds 5 --json transfer.json --figure transfer.svg
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from convnets.core.storage.files import write_json
from convnets.data.class_splits import without_classes
from convnets.data.decode import decode_images
from convnets.data.image_set import ImageSet, Splits
from convnets.data.preprocess import Preprocess
from convnets.data.sources import load_data
from convnets.training.config import TrainConfig
from convnets.training.runs.run import Run
from convnets.training.train import train

SHOTS = {50: 60, 200: 30, 1000: 8}  # pictures of each new class: epochs
PLAIN = TrainConfig(augment=("flip", "crop:4"), precision="fp32", threads=1)
FEW = replace(PLAIN, batch_size=32, validation=0)
SCRATCH, TRAINED = "from scratch", "from trained weights"
TRIED = {  # learning rate, share of it for all layers but the last
    SCRATCH: ((0.002, 1.0), (0.005, 1.0), (0.01, 1.0)),
    TRAINED: ((0.002, 1.0), (0.005, 1.0), (0.005, 0.1)),
}
JUDGED = 1000  # pictures of each new class that rates are chosen on
TUNING_SEED = 100

Row = dict[str, Any]


@cache
def old_and_new(path: Path) -> tuple[Splits, Splits]:
    """Classes 0 to 6 and 7 to 9, decoded; once in each process."""
    everything = load_data(path)
    plain = Preprocess.plain(3, 32)
    decoded = {name: decode_images(part, plain) for name, part in everything.parts().items()}
    splits = Splits(decoded["train"], decoded.get("validation"), decoded.get("test"))
    return without_classes(splits, everything.classes[7:])


def pretrained(pictures: Path, epochs: int, output: Path) -> Path:
    """The run on the old classes."""
    config = replace(PLAIN, epochs=epochs, learning_rate=0.01)
    old, _ = old_and_new(pictures)
    return train("resnet20", old, config, output=output, name="pretrained", listeners=()).path


def draw(new: Splits, shots: int, seed: int, others: int = 0) -> Splits:
    """`shots` pictures of each class to learn from; `others` more of each, or the test pictures, to be judged on."""
    order = torch.randperm(len(new.train), generator=torch.Generator().manual_seed(seed))
    labels = new.train.labels[order]
    each = [order[labels == label] for label in range(len(new.classes))]

    def part(begin: int, end: int) -> ImageSet:
        return new.train.subset(torch.cat([chosen[begin:end] for chosen in each]))

    few = part(0, shots)
    return Splits(few, None, part(shots, shots + others) if others else new.test)


def learn(pictures: Path, row: Row, start: Path | None, output: Path) -> Row:
    """One run on few pictures; the row with its accuracy on the pictures that it is judged on."""
    data = draw(
        old_and_new(pictures)[1], row["shots"], row["seed"], JUDGED if row["seed"] == TUNING_SEED else 0
    )
    config = replace(
        FEW,
        epochs=SHOTS[row["shots"]],
        seed=row["seed"],
        learning_rate=row["rate"],
        backbone_rate=row["backbone_rate"],
    )
    run = train("resnet20", data, config, start=start, output=output, listeners=())
    return {**row, "accuracy": run.results["test"]["accuracy"]}


def tried(way: str) -> list[Row]:
    """The runs that rates are chosen by."""
    return [
        {"way": way, "shots": shots, "seed": TUNING_SEED, "rate": rate, "backbone_rate": share}
        for shots in SHOTS
        for rate, share in TRIED[way]
    ]


def chosen(rows: list[Row], seeds: int) -> Iterator[Row]:
    """The runs to be measured: with the rates that did best, for each number of pictures."""
    for shots in SHOTS:
        best = max((row for row in rows if row["shots"] == shots), key=lambda row: float(row["accuracy"]))
        for seed in range(seeds):
            yield {**best, "seed": seed}


def told(futures: list[Future[Row]]) -> list[Row]:
    """The rows, in their order, each printed."""
    rows = []
    for future in futures:
        rows.append(future.result())
        print(rows[-1], flush=True)
    return rows


def measure(pool: Executor, arguments: argparse.Namespace, output: Path) -> tuple[list[Row], list[Row], Run]:
    """Rows of the runs that rates were chosen by, rows of those that were measured, and the run on the old classes."""
    pictures: Path = arguments.pictures

    def begin(rows: list[Row], start: Path | None) -> list[Future[Row]]:
        return [pool.submit(learn, pictures, row, start, output) for row in rows]

    old = pool.submit(pretrained, pictures, arguments.epochs, output)
    scratch = told(begin(tried(SCRATCH), None))
    measured_scratch = begin(list(chosen(scratch, arguments.seeds)), None)
    start = Run(old.result())
    print(f"on the old classes: test accuracy {start.results['test']['accuracy']:.4f}", flush=True)
    trained = told(begin(tried(TRAINED), start.path))
    measured = measured_scratch + begin(list(chosen(trained, arguments.seeds)), start.path)
    return scratch + trained, told(measured), start


def summary(rows: list[Row]) -> dict[str, list[tuple[int, float, float]]]:
    """For each way: pictures of a class, mean and standard deviation over the seeds."""
    found: dict[str, list[tuple[int, float, float]]] = {}
    for way in TRIED:
        for shots in SHOTS:
            each = [row["accuracy"] for row in rows if (row["way"], row["shots"]) == (way, shots)]
            spread = statistics.stdev(each) if len(each) > 1 else 0.0
            found.setdefault(way, []).append((shots, statistics.mean(each), spread))
    return found


def table(found: dict[str, list[tuple[int, float, float]]]) -> str:
    """Markdown."""
    head = "| pictures of each class | " + " | ".join(f"{shots:,}" for shots in SHOTS) + " |"
    lines = [head, "|---" * (len(SHOTS) + 1) + "|"]
    for way, cells in found.items():
        lines.append(f"| {way} | " + " | ".join(f"{m:.3f} ± {s:.3f}" for _, m, s in cells) + " |")
    return "\n".join(lines)


def draw_figure(found: dict[str, list[tuple[int, float, float]]], rows: list[Row], path: Path) -> None:
    """Mean and spread of both ways, with a dot for every run."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    for place, (way, cells) in enumerate(found.items()):
        shots, means, spreads = zip(*cells, strict=True)
        color = ("#7a7a7a", "#0b6e99")[place]
        axis.errorbar(shots, means, yerr=spreads, marker="o", capsize=4, color=color, label=way)
        runs = [row for row in rows if row["way"] == way]
        axis.scatter(
            [row["shots"] for row in runs],
            [row["accuracy"] for row in runs],
            s=12,
            color=color,
            alpha=0.4,
            zorder=3,
        )
    axis.set_xscale("log")
    axis.set_xticks(list(SHOTS), [f"{shots:,}" for shots in SHOTS])
    axis.minorticks_off()
    axis.set_xlabel("pictures of each new class to learn from")
    axis.set_ylabel("accuracy on 3,000 test pictures")
    axis.legend(frameon=False, loc="lower right")
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def main() -> None:
    """Print every run and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("pictures", type=Path, help="zip of CIFAR-10 as pictures, by class")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=8, help="of the old classes")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    began = time.monotonic()
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(arguments.processes, spawn) as pool:
        rates, rows, start = measure(pool, arguments, Path(folder))
        old_accuracy = start.results["test"]["accuracy"]
        environment = {key: start.environment[key] for key in ("versions", "hardware", "cores")}
    found = summary(rows)
    print(table(found))
    print(f"{(time.monotonic() - began) / 60:.0f} minutes")
    if arguments.json is not None:
        content = {"runs": rows, "tried": rates, "old_accuracy": old_accuracy, "environment": environment}
        write_json(arguments.json, content)
    if arguments.figure is not None:
        draw_figure(found, rows, arguments.figure)


if __name__ == "__main__":
    main()

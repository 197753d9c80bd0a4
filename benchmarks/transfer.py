"""What starting from trained weights is worth: ResNet-20 learns three of CIFAR-10's classes from few pictures.

It is trained once on the seven other classes, and then on 50, 200 and 1,000 pictures of each new class, from those
weights and from scratch, with the same pictures, steps and augmentations. Each seed draws other pictures and weights.
Both ways first try three rates for each number of pictures, and are judged on other pictures, never on test pictures.
Usage: python benchmarks/transfer.py cifar10-images.zip --seeds 5 --json transfer.json --figure transfer.svg
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from convnets.core.files import write_json
from convnets.data.class_splits import without_classes
from convnets.data.decode import decode_images
from convnets.data.image_set import ImageSet, Splits
from convnets.data.preprocess import Preprocess
from convnets.data.sources import load_data
from convnets.training.config import TrainConfig
from convnets.training.run import Run
from convnets.training.train import train

SHOTS = {50: 60, 200: 30, 1000: 10}  # pictures of each new class: epochs
FEW = TrainConfig(batch_size=32, augment=("flip", "crop:4"), validation=0)
SCRATCH, TRAINED = "from scratch", "from trained weights"
TRIED = {  # learning rate, share of it for all layers but the last
    SCRATCH: ((0.002, 1.0), (0.005, 1.0), (0.01, 1.0)),
    TRAINED: ((0.002, 1.0), (0.005, 1.0), (0.005, 0.1)),
}
JUDGED = 1000  # pictures of each new class that rates are chosen on
TUNING_SEED = 100

Row = dict[str, Any]


def old_and_new(path: Path) -> tuple[Splits, Splits]:
    """Classes 0 to 6 and 7 to 9, decoded."""
    everything = load_data(path)
    plain = Preprocess.plain(3, 32)
    decoded = {name: decode_images(part, plain) for name, part in everything.parts().items()}
    return without_classes(Splits(**decoded), everything.classes[7:])


def pretrained(old: Splits, epochs: int, output: Path) -> Run:
    """The run on the old classes."""
    config = TrainConfig(epochs=epochs, augment=("flip", "crop:4"), learning_rate=0.01)
    return train("resnet20", old, config, output=output, name="pretrained", listeners=())


def draw(new: Splits, shots: int, seed: int, others: int = 0) -> Splits:
    """`shots` pictures of each class to learn from; `others` more of each, or the test pictures, to be judged on."""
    order = torch.randperm(len(new.train), generator=torch.Generator().manual_seed(seed))
    labels = new.train.labels[order]
    each = [order[labels == label] for label in range(len(new.classes))]

    def part(begin: int, end: int) -> ImageSet:
        return new.train.subset(torch.cat([chosen[begin:end] for chosen in each]))

    few = part(0, shots)
    return Splits(few, None, part(shots, shots + others) if others else new.test)


def learn(data: Splits, way: str, config: TrainConfig, start: Run, output: Path) -> float:
    """Accuracy on the pictures to be judged on, after one run on few pictures."""
    begun = start if way == TRAINED else None
    run = train("resnet20", data, config, start=begun, output=output, listeners=())
    return float(run.results["test"]["accuracy"])


def options(shots: int, seed: int, rate: float, share: float) -> TrainConfig:
    """The options of one run."""
    return replace(FEW, epochs=SHOTS[shots], seed=seed, learning_rate=rate, backbone_rate=share)


def tune(new: Splits, start: Run, output: Path) -> list[Row]:
    """Accuracy of every way, number of pictures and rate tried, on other training pictures of the new classes."""
    rows = []
    for shots in SHOTS:
        data = draw(new, shots, TUNING_SEED, others=JUDGED)
        for way, tried in TRIED.items():
            for rate, share in tried:
                found = learn(data, way, options(shots, TUNING_SEED, rate, share), start, output)
                row = {"shots": shots, "way": way, "rate": rate, "backbone_rate": share, "accuracy": found}
                rows.append(row)
                print(row, flush=True)
    return rows


def best(tried: list[Row], way: str, shots: int) -> tuple[float, float]:
    """Rate and share with the highest accuracy."""
    rows = [row for row in tried if (row["way"], row["shots"]) == (way, shots)]
    chosen = max(rows, key=lambda row: float(row["accuracy"]))
    return chosen["rate"], chosen["backbone_rate"]


def measure(new: Splits, start: Run, tried: list[Row], seeds: int, output: Path) -> list[Row]:
    """Test accuracies of every way, number of pictures and seed, with the rates that were chosen."""
    rows = []
    for shots in SHOTS:
        for seed in range(seeds):
            data = draw(new, shots, seed)
            for way in TRIED:
                config = options(shots, seed, *best(tried, way, shots))
                accuracy = learn(data, way, config, start, output)
                row = {"shots": shots, "seed": seed, "way": way, "accuracy": accuracy}
                rows.append(row)
                print(row, flush=True)
    return rows


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
        colour = ("#7a7a7a", "#0b6e99")[place]
        axis.errorbar(shots, means, yerr=spreads, marker="o", capsize=4, color=colour, label=way)
        runs = [(row["shots"], row["accuracy"]) for row in rows if row["way"] == way]
        axis.scatter(*zip(*runs, strict=True), s=12, color=colour, alpha=0.4, zorder=3)
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
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    began = time.monotonic()
    old, new = old_and_new(arguments.pictures)
    print(f"old: {', '.join(old.classes)}; new: {', '.join(new.classes)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder)
        start = pretrained(old, arguments.epochs, output)
        old_accuracy = start.results["test"]["accuracy"]
        print(f"on the old classes: test accuracy {old_accuracy:.4f}", flush=True)
        tried = tune(new, start, output)
        rows = measure(new, start, tried, arguments.seeds, output)
        environment = start.environment
    found = summary(rows)
    print(table(found))
    print(f"{(time.monotonic() - began) / 60:.0f} minutes")
    if arguments.json is not None:
        content = {"runs": rows, "tried": tried, "old_accuracy": old_accuracy, "environment": environment}
        write_json(arguments.json, content)
    if arguments.figure is not None:
        draw_figure(found, rows, arguments.figure)


if __name__ == "__main__":
    main()

"""What starting from trained weights is worth: ResNet-20 learns three of CIFAR-10's classes from few pictures.

It is trained once on the seven other classes, and then on 50, 200 and 1,000 pictures of each new class, from those
weights and from scratch, with the same pictures, steps and augmentations. Each seed draws other pictures and weights.
Usage: python benchmarks/transfer.py cifar10-images.zip --seeds 5 --json transfer.json --figure transfer.svg
`--tune` tries learning rates on other pictures of the new classes, never on test pictures.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
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

SHOTS = {50: 30, 200: 20, 1000: 10}  # pictures of each new class: epochs
FEW = TrainConfig(batch_size=32, augment=("flip", "crop:4"), validation=0, learning_rate=0.005)
WAYS = {  # chosen by --tune
    "from scratch": FEW,
    "from trained weights": replace(FEW, learning_rate=0.005, backbone_rate=0.1),
}
TRIED = {
    "from scratch": [replace(FEW, learning_rate=rate) for rate in (0.002, 0.005, 0.01)],
    "from trained weights": [
        replace(FEW, learning_rate=rate, backbone_rate=share)
        for rate, share in ((0.002, 1.0), (0.0005, 1.0), (0.005, 0.1))
    ],
}


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


def learn(data: Splits, way: str, config: TrainConfig, start: Run, output: Path) -> Run:
    """One run on few pictures."""
    begun = start if way != "from scratch" else None
    return train("resnet20", data, config, start=begun, output=output, listeners=())


def tune(new: Splits, start: Run, output: Path) -> None:
    """Accuracy on 1,000 other pictures of each class after the last epoch, from 200 of each."""
    data = draw(new, 200, seed=100, others=1000)
    for way, configs in TRIED.items():
        for config in configs:
            run = learn(data, way, replace(config, epochs=SHOTS[200], seed=100), start, output)
            accuracy = run.results["test"]["accuracy"]  # of these other pictures
            print(
                f"{way}: rate {config.learning_rate}, backbone {config.backbone_rate}: {accuracy:.4f}",
                flush=True,
            )


def measure(new: Splits, start: Run, seeds: int, output: Path) -> list[dict[str, Any]]:
    """Test accuracies of every way, number of pictures and seed."""
    rows = []
    for shots, epochs in SHOTS.items():
        for seed in range(seeds):
            for way, config in WAYS.items():
                run = learn(
                    draw(new, shots, seed), way, replace(config, epochs=epochs, seed=seed), start, output
                )
                row = {"shots": shots, "seed": seed, "way": way, "accuracy": run.results["test"]["accuracy"]}
                rows.append(row)
                print(row, flush=True)
    return rows


def summary(rows: list[dict[str, Any]]) -> dict[str, list[tuple[int, float, float]]]:
    """For each way: pictures of a class, mean and standard deviation over the seeds."""
    found: dict[str, list[tuple[int, float, float]]] = {}
    for way in WAYS:
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


def draw_figure(
    found: dict[str, list[tuple[int, float, float]]], rows: list[dict[str, Any]], path: Path
) -> None:
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
    parser.add_argument("--tune", action="store_true")
    parser.add_argument(
        "--pretrained", type=Path, help="the run on the old classes, where it is there already"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    old, new = old_and_new(arguments.pictures)
    print(f"old: {', '.join(old.classes)}; new: {', '.join(new.classes)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder)
        start = (
            Run(arguments.pretrained) if arguments.pretrained else pretrained(old, arguments.epochs, output)
        )
        print(f"on the old classes: test accuracy {start.results['test']['accuracy']:.4f}", flush=True)
        if arguments.tune:
            tune(new, start, output)
            return
        rows = measure(new, start, arguments.seeds, output)
        environment = start.environment
        old_accuracy = start.results["test"]["accuracy"]
    found = summary(rows)
    print(table(found))
    if arguments.json is not None:
        content = {"runs": rows, "old_accuracy": old_accuracy, "environment": environment}
        write_json(arguments.json, content)
    if arguments.figure is not None:
        draw_figure(found, rows, arguments.figure)


if __name__ == "__main__":
    main()

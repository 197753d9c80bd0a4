"""Which descriptor finds images of the same class, over seeds: on classes that were trained on and on others.

Usage: python benchmarks/retrieval.py table fashion-mnist --seeds 3 --json retrieval.json
       python benchmarks/retrieval.py table cifar10-images.zip --images 20000 --epochs 8
       python benchmarks/retrieval.py moved fashion-mnist --seeds 3
       python benchmarks/retrieval.py concentration fashion-mnist -o concentration.svg

`table` trains the network twice for each seed, by cross-entropy and by triplets with the same budget of images; once
on all classes, and once on seven while the other three are searched. `moved` draws each image at a random place of a
larger black canvas and compares average with maximum pooling. The test images search among themselves.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convnets.core.environment import describe_environment
from convnets.core.hardware import choose_hardware
from convnets.core.seeds import generator_for
from convnets.core.storage.files import write_json, write_text
from convnets.data.class_splits import choose_held_out, without_classes
from convnets.data.decode import decode_images, probe_pictures
from convnets.data.image_set import ImageSet, Splits
from convnets.data.preprocess import Preprocess
from convnets.data.sources import load_data
from convnets.data.splits import split_off
from convnets.retrieval.descriptors.describe import describe
from convnets.retrieval.descriptors.descriptor import Descriptor
from convnets.retrieval.evaluation.distance_concentration import (
    concentration_svg,
    distance_concentration,
    random_concentration,
)
from convnets.retrieval.evaluation.metrics import evaluate_retrieval
from convnets.training.config import TrainConfig
from convnets.training.task import prepare
from convnets.training.train import train

HELD_OUT = 3
PARTS = ("seen classes", "held-out classes")
POOLINGS = ("average", "maximum", "both", "gem")
Row = dict[str, dict[str, Any]]
"""By descriptor: what RetrievalScores.to_dict() gives."""


def main() -> None:
    """Measure what was asked for, print it as a table and write it."""
    arguments = _parser().parse_args()
    if arguments.what == "join":
        parts = [json.loads(path.read_text())["runs"] for path in map(Path, arguments.data)]
        _print([run for part in parts for run in part])
        return
    splits = _splits(arguments.data[0], arguments.images, arguments.searched)
    if arguments.what == "concentration":
        _draw_concentration(splits, arguments)
        return
    measure = _table if arguments.what == "table" else _moved
    runs = [
        measure(splits, arguments, seed)
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    ]
    _print(runs)
    if arguments.json is not None:
        options = {key: str(value) for key, value in vars(arguments).items()}
        environment = describe_environment(choose_hardware("cpu"))
        write_json(arguments.json, {"options": options, "runs": runs, "environment": environment})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("table", "moved", "concentration", "join"))
    parser.add_argument(
        "data", nargs="+", help="data set; for join the JSON files of runs with other seeds or parts"
    )
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--network", default="speednet")
    parser.add_argument("--stage", default="block2", help="whose maps are pooled")
    parser.add_argument("--images", type=int, default=20_000, help="training images, of all classes alike")
    parser.add_argument("--searched", type=int, default=10_000, help="test images, of all classes alike")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--margin", type=float, default=0.2)
    parser.add_argument("--batch-size", type=int, default=120)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--canvas", type=int, default=2, help="side of the canvas, in sides of the image")
    parser.add_argument("--json", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("concentration.svg"))
    return parser


def _splits(name: str, images: int, searched: int) -> Splits:
    splits = load_data(name)
    learned, test = splits.train, splits.test
    if test is None:  # a folder or zip without parts
        learned, test = split_off(learned, 0.2, seed=1)
    return Splits(_sample(learned, images), test=_sample(test, searched))


def _sample(images: ImageSet, count: int) -> ImageSet:
    """`count` images, equally many of each class, in memory."""
    if count < len(images):
        images = split_off(images, count, seed=0, balanced=True)[1]
    if images.resident:
        return images
    probe = probe_pictures(images)
    side = min(probe.uniform_size or (32, 32))
    return decode_images(images, Preprocess.plain(probe.channels, side), threads=2)


def _table(splits: Splits, arguments: argparse.Namespace, seed: int) -> dict[str, Row]:
    held_out = choose_held_out(splits.classes, HELD_OUT, seed)
    seen, unseen = without_classes(splits, held_out)
    assert splits.test is not None
    assert unseen.test is not None
    learned = dict(zip(PARTS, ((splits, splits.test), (seen, unseen.test)), strict=True))
    return {part: _descriptors(*learned[part], arguments, seed) for part in arguments.parts}


def _descriptors(splits: Splits, searched: ImageSet, arguments: argparse.Namespace, seed: int) -> Row:
    """Every descriptor's scores on `searched`, with networks trained on `splits`."""
    config = _config(arguments, seed)
    untrained = prepare(arguments.network, splits, config)
    row: Row = {}

    def add(
        name: str, network: nn.Module, preprocess: Preprocess, descriptor: Descriptor | None = None
    ) -> None:
        row[name] = evaluate_retrieval(network, searched, preprocess, descriptor).to_dict()
        print(
            f"seed {seed}, {len(splits.classes)} classes, {name}: MAP@R {row[name]['map_at_r']:.4f}",
            flush=True,
        )

    add("raw pixels", nn.Identity(), untrained.preprocess, Descriptor("pixels"))
    add("untrained", untrained.network, untrained.preprocess)
    classifier = _trained(splits, arguments, config)
    add("classifier embedding", *classifier)
    for pooling in POOLINGS:
        add(f"{pooling} of {arguments.stage}", *classifier, Descriptor(arguments.stage, pooling))
    vectors = replace(config, objective="triplet", margin=arguments.margin)
    add("triplet, semi-hard", *_trained(splits, arguments, vectors))
    add("triplet and classes", *_trained(splits, arguments, replace(vectors, classification_weight=1.0)))
    return row


def _config(arguments: argparse.Namespace, seed: int) -> TrainConfig:
    return TrainConfig(
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        augment=("flip",),
        validation=0.0,  # the last weights are kept, so that nothing is chosen by the images that are searched
        seed=seed,
        save_every="0",
    )


def _trained(
    splits: Splits, arguments: argparse.Namespace, config: TrainConfig
) -> tuple[nn.Module, Preprocess]:
    with tempfile.TemporaryDirectory() as folder:
        run = train(arguments.network, Splits(splits.train), config, output=folder, listeners=())
        if run.status != "finished":
            raise SystemExit(f"a run ended otherwise: {run.status}")
        model = run.load()
    return model.network, model.preprocess


def _moved(splits: Splits, arguments: argparse.Namespace, seed: int) -> dict[str, Row]:
    """Average and maximum pooling where images lie in place, and where they lie anywhere on a canvas."""
    config = _config(arguments, seed)
    network, preprocess = _trained(splits, arguments, config)
    assert splits.test is not None
    found: dict[str, Row] = {}
    for name, images in {
        "in place": splits.test,
        "moved": _on_canvas(splits.test, arguments.canvas, seed),
    }.items():
        side = images.pixels.shape[-1]
        fitted = replace(preprocess, size=side, resize=side)
        found[name] = {
            pooling: evaluate_retrieval(
                network, images, fitted, Descriptor(arguments.stage, pooling, grid=3)
            ).to_dict()
            for pooling in ("average", "maximum", "both", "gem", "grid", "rmac")
        }
    return found


def _on_canvas(images: ImageSet, factor: int, seed: int) -> ImageSet:
    """Each image at a random place of a black canvas of `factor` times its side."""
    pixels = images.pixels
    count, channels, height, width = pixels.shape
    canvas = torch.zeros(count, channels, factor * height, factor * width, dtype=torch.uint8)
    places = torch.rand(count, 2, generator=generator_for(seed, "places"))
    tops = (places[:, 0] * ((factor - 1) * height + 1)).long().tolist()
    lefts = (places[:, 1] * ((factor - 1) * width + 1)).long().tolist()
    for index, (top, left) in enumerate(zip(tops, lefts, strict=True)):
        canvas[index, :, top : top + height, left : left + width] = pixels[index]
    return replace(images, images=canvas)


def _draw_concentration(splits: Splits, arguments: argparse.Namespace) -> None:
    assert splits.test is not None
    sample = splits.test.subset(range(0, len(splits.test), max(1, len(splits.test) // 1000)))
    config = _config(arguments, 0)
    classifier = _trained(splits, arguments, config)
    vectors = _trained(splits, arguments, replace(config, objective="triplet", margin=arguments.margin))
    measured = {
        "raw pixels": describe(nn.Identity(), sample, classifier[1], Descriptor("pixels")),
        "classifier embedding": describe(classifier[0], sample, classifier[1]),
        "triplet embedding": describe(vectors[0], sample, vectors[1]),
    }
    random = random_concentration([2**power for power in range(1, 13)])
    points = {name: distance_concentration(each) for name, each in measured.items()}
    for name, each in points.items():
        print(f"{name}: {each}")
    for each in random:
        print(each)
    write_text(arguments.output, concentration_svg(random, points))


def _print(runs: list[dict[str, Row]]) -> None:
    for part in dict.fromkeys(part for run in runs for part in run):
        rows = [run[part] for run in runs if part in run]
        print(
            f"\n{part}, n = {len(rows)}\n\n| descriptor | Recall@1 | R-precision | MAP@R |\n|---|---|---|---|"
        )
        for name in rows[0]:
            cells = [
                [row[name][key] for row in rows] for key in ("precision_at_1", "r_precision", "map_at_r")
            ]
            shown = [
                f"{statistics.mean(values):.3f} ± {statistics.stdev(values) if len(values) > 1 else 0:.3f}"
                for values in cells
            ]
            print(f"| {name} | {' | '.join(shown)} |")


if __name__ == "__main__":
    main()

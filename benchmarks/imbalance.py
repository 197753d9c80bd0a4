"""What weights, a balanced sampler and logit adjustment bring on long-tailed images, over seeds.

Usage: python benchmarks/imbalance.py lenet_bn --data fashion-mnist --ratio 100 --epochs 10 --seeds 3

The training images are cut to a long tail by the seed (the largest class has `ratio` times as many as the smallest);
all ways of a seed see the same images and start from the same weights. The weights after the last epoch are evaluated
once on the test images, which are equally many of each class. "rare" is the recall of the three rarest classes,
"frequent" that of the three most frequent.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from typing import Any

import torch

from convnets.core.seeds import derive_seed
from convnets.data.image_set import Splits
from convnets.data.long_tail import long_tailed
from convnets.data.sources import load_data
from convnets.evaluation.evaluate import evaluate
from convnets.training.config import TrainConfig
from convnets.training.train import train

WAYS: dict[str, dict[str, Any]] = {
    "as they are": {},
    "class weights": {"class_weights": "balanced"},
    "balanced sampling": {"balanced_sampling": True},
    "logit adjustment": {"logit_adjustment": 1.0},
}


def measure(network: str, whole: Splits, config: TrainConfig, ratio: float) -> dict[str, float]:
    """Accuracy on the test images: of all, of the three rarest classes, of the three most frequent."""
    tail = long_tailed(whole.train, ratio, seed=derive_seed(config.seed, "imbalance"))
    sizes = torch.bincount(tail.labels)
    with tempfile.TemporaryDirectory() as folder:
        run = train(network, Splits(tail), config, output=folder, listeners=())
        model = run.load()
    assert whole.test is not None
    found = evaluate(model.network, whole.test, model.preprocess)
    matrix = torch.as_tensor(found.confusion).double()
    recall = matrix.diag() / matrix.sum(1)
    order = sizes.argsort()
    return {
        "all": float(recall.mean()),
        "rare": float(recall[order[:3]].mean()),
        "frequent": float(recall[order[-3:]].mean()),
    }


def main() -> None:
    """A line per run, then mean and standard deviation of each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", default="lenet_bn", nargs="?")
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--ratio", type=float, default=100)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    whole = load_data(given.data)
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for seed in range(given.seeds):
        for way, options in WAYS.items():
            config = TrainConfig(
                epochs=given.epochs, validation=0, seed=seed, threads=given.threads, **options
            )
            found[way].append(measure(given.network, whole, config, given.ratio))
            print(way, seed, {name: round(value, 4) for name, value in found[way][-1].items()}, flush=True)
    for way, rows in found.items():
        for name in rows[0]:
            values = [row[name] for row in rows]
            spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
            print(f"{way}, {name}: {statistics.mean(values):.4f}{spread}, n = {len(values)}")


if __name__ == "__main__":
    main()

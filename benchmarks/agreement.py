"""Whether the fast path learns what plain PyTorch learns: test accuracy over seeds, and gradients against float64.

Usage: python benchmarks/agreement.py --network resnet20 --images 20000 --epochs 2 --seeds 10
       python benchmarks/agreement.py --network resnet20 --images 20000 --epochs 2 --gradients

"fast" is the default path, "plain" that of `--no-fast`, each in bf16 and fp32. Runs of one seed see the same images in
the same order. With --gradients, fast fp32 trains one epoch; at six of its steps all paths compute the gradient of the
same batch from the same weights: relative error of all of it, and the scale of the parameters' gradients (least and
largest projection onto float64's).
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.data.batches import Batch, Batches
from convnets.data.image_set import Splits
from convnets.data.sources import load_data
from convnets.training.config import TrainConfig
from convnets.training.learner import Learner
from convnets.training.task import prepare
from convnets.training.train import train

PATHS: dict[str, dict[str, Any]] = {
    "fast bf16": {"precision": "bf16"},
    "plain fp32": {"precision": "fp32", "fast": False},
    "fast fp32": {"precision": "fp32"},
    "plain bf16": {"precision": "bf16", "fast": False},
}


def accuracies(network: str, splits: Splits, config: TrainConfig, seeds: int, paths: list[str]) -> None:
    """A line per run, and mean and spread of each path."""
    found: dict[str, list[float]] = {path: [] for path in paths}
    for seed in range(seeds):
        for path in paths:
            with tempfile.TemporaryDirectory() as folder:
                options = replace(config, seed=seed, **PATHS[path])
                run = train(network, splits, options, output=folder, listeners=())
                found[path].append(run.results["test"]["accuracy"])
                print(f"{path}, seed {seed}: {found[path][-1]:.4f}", flush=True)
    for path, values in found.items():
        spread = f" ± {statistics.stdev(values):.4f}" if seeds > 1 else ""
        print(f"{path}: {statistics.mean(values):.4f}{spread}, n = {seeds}")


def gradients(network: str, splits: Splits, config: TrainConfig) -> None:
    """A line per step and path: learners of each path take the weights of one that trains, and make its next step."""

    def learner_of(path: str) -> Learner:
        own = replace(config, **PATHS[path])
        task = prepare(network, splits, own)
        return Learner(task.network, own, task.hardware)

    learners = {path: learner_of(path) for path in PATHS}
    leader = learner_of("fast fp32")
    task = prepare(network, splits, config)
    batches = Batches(task.train, task.preprocess, config.batch_size, shuffle=True, augment=task.augment)
    steps = len(batches)
    chosen = {steps * part // 5 for part in range(5)} | {steps - 1}
    for step, batch in enumerate(batches.epoch()):
        progress = step / (config.epochs * steps)
        if step in chosen:
            exact = exact_gradients(leader.network, batch)
            for path, learner in learners.items():
                learner.network.load_state_dict(leader.network.state_dict())
                learner.step(batch, 0, step, progress)  # its gradients stay until the next
                print(f"step {step}, {path}: {difference(learner.network, exact)}", flush=True)
        leader.step(batch, 0, step, progress)


def exact_gradients(network: nn.Module, batch: Batch) -> list[Tensor]:
    """Of the mean loss of the batch in float64, by PyTorch's own layers; one for each parameter."""
    exact = copy.deepcopy(network).double().train()
    loss = F.cross_entropy(exact(batch.images.double()), batch.targets)
    return list(torch.autograd.grad(loss, list(exact.parameters())))


def difference(network: nn.Module, exact: list[Tensor]) -> str:
    """Relative error of the gradients that the network holds, and the scale of each parameter's."""
    own = [p.grad.double() for p in network.parameters() if p.grad is not None]
    pairs = list(zip(own, exact, strict=True))
    wrong = sum(float((p - g).square().sum()) for p, g in pairs)
    size = sum(float(g.square().sum()) for g in exact)
    scales = [float((p * g).sum() / g.square().sum()) for p, g in pairs]
    return f"relative error {(wrong / size) ** 0.5:.1e}, scale {min(scales):.4f} to {max(scales):.4f}"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", default="resnet20")
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--paths", nargs="+", choices=PATHS, default=["fast bf16", "plain fp32"])
    parser.add_argument("--gradients", action="store_true")
    arguments = parser.parse_args()
    whole = load_data(arguments.data)
    splits = Splits(whole.train.subset(torch.arange(arguments.images)), test=whole.test)
    config = TrainConfig(
        epochs=arguments.epochs,
        batch_size=128,
        optimizer="sgd",
        learning_rate=0.2,
        schedule="one-cycle",
        augment=("flip",),
    )
    if arguments.gradients:
        gradients(arguments.network, splits, config)
    else:
        accuracies(arguments.network, splits, config, arguments.seeds, arguments.paths)


if __name__ == "__main__":
    main()

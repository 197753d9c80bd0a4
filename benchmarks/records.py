"""Time to accuracy: seconds from images in memory to trained weights, and the test accuracy, over seeds.

Usage: python benchmarks/records.py speed/fashion-mnist-94 --seeds 10 --json record.json
       python benchmarks/records.py speed/fashion-mnist-915 --ablate --seeds 3

The clock starts with the images decoded in memory; building the network, whitening, choosing remembered kernels and
training are counted, the evaluation is not. A first run, not counted, compiles and measures the kernels.
`--ablate` takes one part away at a time and judges on 6,000 validation images instead of the test set.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from convnets.checkpoints.training_state import TrainingState
from convnets.core.environment import describe_environment
from convnets.core.files import write_json
from convnets.core.seeds import derive_seed
from convnets.data.batches import Batches
from convnets.data.image_set import Splits
from convnets.data.sources import load_data
from convnets.evaluation.evaluate import evaluate
from convnets.models.catalogue import create_model
from convnets.models.speednet import SpeedNet
from convnets.recipes.catalogue import get_recipe
from convnets.recipes.recipe import Recipe
from convnets.training.config import TrainConfig
from convnets.training.learner import Learner
from convnets.training.loop import fit
from convnets.training.task import prepare

RANDOM = "random first filters, fixed as the computed ones are"
LEARNED = "random first filters, learned"
ABLATIONS: dict[str, dict[str, Any]] = {
    "the recipe": {},
    "SGD (0.2, momentum 0.9) for Muon": {"optimiser": "sgd", "learning_rate": 0.2, "momentum": 0.9},
    "biases at the rate of weights": {"bias_rate": 1.0},
    RANDOM: {},
    LEARNED: {},
    "no label smoothing": {"label_smoothing": 0.0},
    "no mirror images in training": {"augment": ()},
    "one-cycle for the straight schedule": {"schedule": "one-cycle"},
    "constant rate": {"schedule": "constant"},
    "PyTorch's own layers (fast off)": {"fast": False},
}


def run_once(recipe: Recipe, config: TrainConfig, splits: Splits, changed: str = "") -> dict[str, Any]:
    """Train once; seconds, and accuracy with one view and with its mirror image."""
    started, used = time.perf_counter(), time.process_time()
    network: nn.Module | str = recipe.network
    if changed in (RANDOM, LEARNED):
        network = without_whitening(recipe, config.seed, changed == LEARNED)
    task = prepare(
        network, splits, config, arguments=dict(recipe.arguments) if isinstance(network, str) else None
    )
    learner = Learner(task.network, config, task.hardware)
    batches = Batches(
        task.train,
        task.preprocess,
        config.batch_size,
        shuffle=True,
        seed=config.seed,
        augment=task.augment,
        mixing=task.mixing,
    )
    fit(learner, batches, lambda _: None, 0, config, TrainingState(), lambda _: None)
    seconds, processor_seconds = time.perf_counter() - started, time.process_time() - used
    judged = splits.test if splits.test is not None else task.validation
    assert judged is not None
    accuracies = [
        evaluate(
            learner.network_to_keep, judged, task.preprocess, hardware=task.hardware, views=views
        ).accuracy
        for views in (1, 2)
    ]
    return {
        "seed": config.seed,
        "seconds": seconds,
        "processor_seconds": processor_seconds,
        "accuracy": accuracies[0],
        "accuracy_with_flips": accuracies[1],
        "environment": describe_environment(task.hardware),
    }


def without_whitening(recipe: Recipe, seed: int, learned: bool) -> nn.Module:
    """The recipe's network with the first filters that PyTorch draws, trained with the others or not."""
    network = create_model(recipe.network, seed=derive_seed(seed, "network"), **recipe.arguments)
    assert isinstance(network, SpeedNet)
    network.whitened.fill_(True)
    network.whitening.weight.requires_grad_(learned)
    return network


def summary(rows: list[dict[str, Any]]) -> str:
    """Mean ± standard deviation of each figure."""

    def spread(key: str, digits: int) -> str:
        values = [row[key] for row in rows]
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        return f"{statistics.mean(values):.{digits}f} ± {deviation:.{digits}f}"

    figures = f"{spread('accuracy', 4)} | {spread('accuracy_with_flips', 4)} | {spread('seconds', 1)} s"
    return f"{figures} | {spread('processor_seconds', 1)} s"


def main() -> None:
    """A line for each run, then the summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--ablate", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    recipe, splits = get_recipe(arguments.recipe), load_data("fashion-mnist")
    config = recipe.config
    if arguments.ablate:  # nothing is chosen by the test set
        splits, config = Splits(splits.train), replace(config, validation=0.1)
    run_once(recipe, replace(config, epochs=1), splits)
    results: dict[str, list[dict[str, Any]]] = {}
    for name, changes in ABLATIONS.items() if arguments.ablate else [("the recipe", {})]:
        rows = results.setdefault(name, [])
        for seed in range(arguments.seeds):
            rows.append(run_once(recipe, replace(config, seed=seed, **changes), splits, name))
            shown = {key: value for key, value in rows[-1].items() if key != "environment"}
            print(json.dumps(shown), flush=True)
        print(f"{name} | n={len(rows)} | {summary(rows)}", flush=True)
    if arguments.json:
        write_json(arguments.json, {"recipe": recipe.to_dict(), "results": results})


if __name__ == "__main__":
    main()

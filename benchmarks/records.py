"""Time to accuracy: seconds from images in memory to trained weights, and the test accuracy, over seeds.

Usage: python benchmarks/records.py speed/fashion-mnist-94 --seeds 10 --json record.json
       python benchmarks/records.py speed/fashion-mnist-915 --ablate --seeds 3
       python benchmarks/records.py speed/fashion-mnist-94 --validation 0.1667 --widths 96 192 384 --epochs 12 --seeds 1

The clock starts with the images decoded in memory; building the network, whitening, choosing remembered kernels and
training are counted, the evaluation is not. A first run, not counted, compiles and measures the kernels.
`--ablate` takes away or adds one part at a time and judges on 6,000 validation images instead of the test set
(`--validation` on any share).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from record_parts import GrowingImages, Lookahead, drawn_filters, identity_filters, learned_filters

from convnets.checkpoints.training_state import TrainingState
from convnets.core.environment import describe_environment
from convnets.core.seeds import derive_seed
from convnets.core.storage.files import write_json
from convnets.data.batches import Batches
from convnets.data.image_set import Splits
from convnets.data.sources import load_data
from convnets.evaluation.evaluate import evaluate
from convnets.models.catalogue import create_model
from convnets.models.compact.speednet import SpeedNet
from convnets.recipes.catalogue import get_recipe
from convnets.recipes.recipe import Recipe
from convnets.training.config import TrainConfig
from convnets.training.learner import Learner
from convnets.training.loop import fit
from convnets.training.task import prepare

VIEWS = (1, 2, 6)


@dataclass(frozen=True)
class Variant:
    """The recipe with one part changed: its config, its network before training, or its steps."""

    changes: dict[str, Any] = field(default_factory=dict)
    network: Callable[[SpeedNet], None] | None = None
    learner: type[Learner] = Learner


ABLATIONS = {
    "the recipe": Variant(),
    "SGD (0.2, momentum 0.9) for Muon": Variant({"optimizer": "sgd", "learning_rate": 0.2, "momentum": 0.9}),
    "biases at the rate of weights": Variant({"bias_rate": 1.0}),
    "random first filters, fixed as the computed ones are": Variant(network=drawn_filters),
    "random first filters, learned": Variant(network=learned_filters),
    "no label smoothing": Variant({"label_smoothing": 0.0}),
    "no mirror images in training": Variant({"augment": ()}),
    "one-cycle for the straight schedule": Variant({"schedule": "one-cycle"}),
    "constant rate": Variant({"schedule": "constant"}),
    "PyTorch's own layers (fast off)": Variant({"fast": False}),
    "with identity initialization": Variant(network=identity_filters),
    "with lookahead": Variant(learner=Lookahead),
    "with growing images": Variant(learner=GrowingImages),
}


def run_once(recipe: Recipe, config: TrainConfig, splits: Splits, variant: Variant) -> dict[str, Any]:
    """Train once; seconds, and accuracy by views."""
    started, used = time.perf_counter(), time.process_time()
    network = create_model(recipe.network, seed=derive_seed(config.seed, "network"), **recipe.arguments)
    if variant.network is not None:
        assert isinstance(network, SpeedNet)
        variant.network(network)
    task = prepare(network, splits, config)
    learner = variant.learner(task.network, config, task.hardware)
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
    reports = {
        views: evaluate(learner.network_to_keep, judged, task.preprocess, hardware=task.hardware, views=views)
        for views in VIEWS
    }
    return {
        "seed": config.seed,
        "seconds": seconds,
        "processor_seconds": processor_seconds,
        "accuracy": {str(views): report.accuracy for views, report in reports.items()},
        "environment": describe_environment(task.hardware),
    }


def summary(rows: list[dict[str, Any]]) -> str:
    """Mean ± standard deviation: accuracy with one, two and six views, seconds, processor seconds."""

    def spread(values: list[float], digits: int) -> str:
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        return f"{statistics.mean(values):.{digits}f} ± {deviation:.{digits}f}"

    accuracies = [spread([row["accuracy"][str(views)] for row in rows], 4) for views in VIEWS]
    times = [spread([row[key] for row in rows], 1) + " s" for key in ("seconds", "processor_seconds")]
    return " | ".join(accuracies + times)


def main() -> None:
    """A line for each run, then the summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--ablate", action="store_true")
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="of the parts, those with this in their name"
    )
    parser.add_argument(
        "--widths", type=int, nargs="+", help="channels of each block, in place of the recipe's"
    )
    parser.add_argument("--epochs", type=int, help="in place of the recipe's")
    parser.add_argument(
        "--validation", type=float, metavar="SHARE", help="judge on this share of the training images"
    )
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    recipe, splits = get_recipe(arguments.recipe), load_data("fashion-mnist")
    config = recipe.config
    if arguments.widths:
        recipe = replace(recipe, arguments={"widths": arguments.widths})
    if arguments.epochs:
        config = replace(config, epochs=arguments.epochs)
    if share := arguments.validation or (0.1 if arguments.ablate else 0):  # nothing is chosen by the test set
        splits, config = Splits(splits.train), replace(config, validation=share)
    parts = ABLATIONS if arguments.ablate else {"the recipe": Variant()}
    chosen = {name: variant for name, variant in parts.items() if arguments.only in name}
    if not chosen:
        parser.error(f"--only {arguments.only!r} is in the name of no part; they are: {', '.join(parts)}")
    run_once(recipe, replace(config, epochs=1), splits, Variant())
    results: dict[str, list[dict[str, Any]]] = {}
    for name, variant in chosen.items():
        rows = results.setdefault(name, [])
        for seed in range(arguments.seeds):
            rows.append(run_once(recipe, replace(config, seed=seed, **variant.changes), splits, variant))
            shown = {key: value for key, value in rows[-1].items() if key != "environment"}
            print(json.dumps(shown), flush=True)
        print(f"{name} | n={len(rows)} | {summary(rows)}", flush=True)
    if arguments.json:
        write_json(arguments.json, {"recipe": recipe.to_dict(), "results": results})


if __name__ == "__main__":
    main()

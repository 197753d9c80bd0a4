"""Train a recipe with several seeds and state mean, spread and time of the test accuracy.

Usage: python benchmarks/recipe_seeds.py notes/lenet_bn --seeds 5 --json results.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from convnets.core.storage.files import write_json
from convnets.recipes.catalogue import get_recipe
from convnets.training.train import train


def run_seed(name: str, seed: int, output: Path) -> dict[str, Any]:
    """One run: its test accuracy and times."""
    recipe = get_recipe(name)
    started = time.perf_counter()
    run = train(
        recipe.network,
        recipe.data,
        replace(recipe.config, seed=seed),
        arguments=dict(recipe.arguments),
        output=output,
        listeners=(),
    )
    rows = run.metrics
    seconds = sum(row["seconds"] or 0.0 for row in rows)
    images = sum((row["seconds"] or 0.0) * (row["images_per_second_wall"] or 0.0) for row in rows)
    return {
        "seed": seed,
        "test_accuracy": run.results["test"]["accuracy"],
        "train_accuracy": rows[-1]["train_accuracy"],
        "train_loss": rows[-1]["train_loss"],
        "images_per_second_wall": images / seconds,
        "training_seconds": seconds,
        "total_seconds": time.perf_counter() - started,
        "environment": run.environment,
    }


def main() -> None:
    """Print a line per seed and the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(arguments.seeds):
            results.append(run_seed(arguments.recipe, seed, Path(folder)))
            shown = {key: value for key, value in results[-1].items() if key != "environment"}
            print(json.dumps(shown), flush=True)
    accuracies = [result["test_accuracy"] for result in results]
    seconds = [result["total_seconds"] for result in results]
    spread = statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0
    print(
        f"{arguments.recipe}: test accuracy {statistics.mean(accuracies):.4f} ± {spread:.4f} "
        f"(n = {len(accuracies)}, {min(accuracies):.4f} to {max(accuracies):.4f}), "
        f"{statistics.median(seconds):.1f} s a run"
    )
    if arguments.json is not None:
        write_json(arguments.json, {"recipe": arguments.recipe, "runs": results})


if __name__ == "__main__":
    main()

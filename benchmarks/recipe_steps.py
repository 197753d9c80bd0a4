"""The first steps of recipes: does the loss fall, and how many images a second pass?

Usage: python benchmarks/recipe_steps.py notes/nin notes/googlenet --steps 50 --json steps.json
"""

from __future__ import annotations

import argparse
import statistics
import time
from itertools import islice
from pathlib import Path
from typing import Any

from convnets.core.environment import describe_environment
from convnets.core.storage.files import write_json
from convnets.data.batches import Batches
from convnets.recipes.catalogue import get_recipe
from convnets.training.learner import Learner
from convnets.training.task import prepare


def run_steps(name: str, steps: int) -> dict[str, Any]:
    """The losses of the first steps and the speed of all but the first five."""
    recipe = get_recipe(name)
    task = prepare(recipe.network, recipe.data, recipe.config, arguments=dict(recipe.arguments))
    learner = Learner(task.network, recipe.config, task.hardware)
    batches = Batches(
        task.train,
        task.preprocess,
        recipe.config.batch_size,
        device=task.hardware.device,
        shuffle=True,
        seed=recipe.config.seed,
        augment=task.augment,
        mixing=task.mixing,
    )
    losses, times = [], []
    started = time.perf_counter()
    for step, batch in enumerate(islice(batches.epoch(), steps)):
        learner.start_epoch()
        learner.step(batch, 0, step, step / (len(batches) * recipe.config.epochs))
        losses.append(learner.loss)
        times.append(time.perf_counter() - started)
        started = time.perf_counter()
    tenth = max(1, steps // 10)
    return {
        "recipe": name,
        "steps": steps,
        "first_loss": losses[0],
        "mean_loss_of_first_tenth": statistics.mean(losses[:tenth]),
        "mean_loss_of_last_tenth": statistics.mean(losses[-tenth:]),
        "images_per_second": recipe.config.batch_size / statistics.median(times[5:]),
        "losses": losses,
        "environment": describe_environment(task.hardware),
    }


def main() -> None:
    """Print a line per recipe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = []
    for name in arguments.recipes:
        found = run_steps(name, arguments.steps)
        results.append(found)
        print(
            f"{name}: loss {found['mean_loss_of_first_tenth']:.3f} over the first tenth of {found['steps']} steps, "
            f"{found['mean_loss_of_last_tenth']:.3f} over the last; "
            f"{found['images_per_second']:.1f} images/s",
            flush=True,
        )
    if arguments.json is not None:
        write_json(arguments.json, results)


if __name__ == "__main__":
    main()

"""A worker of a search without networks: trials that take a moment. Arguments: folder, trials."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from convnets.selection.search.journal import Journal
from convnets.selection.search.trials import run_trials


def measure(trial: Any) -> float:
    folder = Path(sys.argv[1])
    x = trial.suggest_float("x", 0, 1)
    time.sleep(0.02)
    with (folder / "measured.txt").open("a") as file:
        file.write(f"{trial.number}\n")
    return float(x)


if __name__ == "__main__":
    print("begun", flush=True)  # noqa: T201
    run_trials(Journal(Path(sys.argv[1])), measure, int(sys.argv[2]))

"""A worker of a search in a database. Arguments: address, trials, seconds that each trial takes."""

from __future__ import annotations

import sys
import time
from typing import Any

from convnets.selection.search.database import Database
from convnets.selection.search.trials import run_trials


def measure(trial: Any) -> float:
    x = trial.suggest_float("x", 0, 1)
    print(trial.number, x, flush=True)  # noqa: T201
    time.sleep(float(sys.argv[3]))
    return float(x)


if __name__ == "__main__":
    run_trials(Database(sys.argv[1], "shared", heartbeat=1), measure, int(sys.argv[2]))

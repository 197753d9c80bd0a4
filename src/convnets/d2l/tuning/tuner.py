"""The book's loop over configurations: try one, note its error, go on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from convnets.d2l.hyper_parameters import HyperParameters
from convnets.d2l.measures import plain_number
from convnets.d2l.tuning.schedulers import HPOScheduler
from convnets.d2l.tuning.searchers import Config

__all__ = ["HPOTuner"]


class HPOTuner(HyperParameters):
    """Tries what `scheduler` suggests: `objective(**config)` gives the error, a number or a tensor with one."""

    def __init__(self, scheduler: HPOScheduler, objective: Callable[..., Any]) -> None:
        self.save_hyperparameters()
        self.scheduler, self.objective = scheduler, objective
        self.incumbent: Config | None = None
        """The best configuration so far."""
        self.incumbent_error: float | None = None
        self.incumbent_trajectory: list[float] = []
        """The least error after each trial."""
        self.cumulative_runtime: list[float] = []
        """Seconds until the end of each trial."""
        self.current_runtime = 0.0
        self.records: list[dict[str, Any]] = []
        """`config`, `error` and `runtime` (seconds) of each trial."""

    def run(self, number_of_trials: int) -> None:
        """Make this many trials, and print each with its error."""
        for number in range(number_of_trials):
            start = time.perf_counter()
            config = self.scheduler.suggest()
            print(f"Trial {number}: config = {config}")  # noqa: T201  the book's listings print
            error = plain_number(self.objective(**config))
            self.scheduler.update(config, error)
            runtime = time.perf_counter() - start
            self.bookkeeping(config, error, runtime)
            print(f"    error = {error}, runtime = {runtime}")  # noqa: T201

    def bookkeeping(self, config: Config, error: float, runtime: float) -> None:
        """Note a trial; the least error is the incumbent, and one that is not a number is the worst."""
        self.records.append({"config": config, "error": error, "runtime": runtime})
        best = self.incumbent_error
        if best is None or error < best or (math.isnan(best) and not math.isnan(error)):
            self.incumbent, self.incumbent_error = config, error
        assert self.incumbent_error is not None
        self.incumbent_trajectory.append(self.incumbent_error)
        self.current_runtime += runtime
        self.cumulative_runtime.append(self.current_runtime)

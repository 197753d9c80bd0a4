"""Successive halving: many configurations for a short while, the best of them for longer, and so on."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

from convnets.d2l.tuning.schedulers import HPOScheduler
from convnets.d2l.tuning.searchers import Config, HPOSearcher
from convnets.errors import ConfigError

__all__ = ["SuccessiveHalvingScheduler"]


class SuccessiveHalvingScheduler(HPOScheduler):
    """Trains `prefact`·`eta`^K configurations for `r_min` epochs and the best share 1/`eta` of each rung for longer.

    The rungs are `r_min`, `r_min`·`eta`, `r_min`·`eta`² … and `r_max` (`rung_levels`, K + 1 of them); a configuration's
    `max_epochs` says which it is on. Jamieson & Talwalkar 2016, "Non-stochastic best arm identification and
    hyperparameter optimization". Raises ConfigError for rungs that are not whole numbers of epochs.

    >>> from scipy import stats
    >>> from convnets.d2l.tuning.searchers import RandomSearcher
    >>> searcher = RandomSearcher({"learning_rate": stats.uniform()})
    >>> SuccessiveHalvingScheduler(searcher, eta=2, r_min=2, r_max=10).rung_levels
    [2, 4, 8, 10]
    """

    def __init__(self, searcher: HPOSearcher, eta: float, r_min: int, r_max: int, prefact: float = 1) -> None:
        self.save_hyperparameters()
        self.searcher, self.eta, self.r_min, self.r_max, self.prefact = searcher, eta, r_min, r_max, prefact
        self.rung_levels = _rungs(eta, r_min, r_max)
        self.K = len(self.rung_levels) - 1
        if self._width(self.K) < 1:
            raise ConfigError(
                f"prefact is {prefact}: no configuration fits on the first rung; allowed: {eta**-self.K:g} or more"
            )
        self.observed_error_at_rungs: defaultdict[int, list[tuple[Config, float]]] = defaultdict(list)
        """What this round knows of each rung, by its epochs."""
        self.all_observed_error_at_rungs: defaultdict[int, list[tuple[Config, float]]] = defaultdict(list)
        """The same of all rounds."""
        self.queue: list[Config] = []

    def suggest(self) -> Config:
        """The next configuration; where none is left, a new round begins."""
        if not self.queue:
            for _ in range(self._width(self.K)):
                self.queue.append({**self.searcher.sample_configuration(), "max_epochs": self.r_min})
        return self.queue.pop()

    def update(self, config: Config, error: float, info: Any = None) -> None:
        """Hear how `config` did; the best of a full rung are queued for the next one."""
        epochs = int(config["max_epochs"])
        self.searcher.update(config, error, additional_info=info)
        self.all_observed_error_at_rungs[epochs].append((config, error))
        if epochs >= self.r_max:
            return
        rung = self.observed_error_at_rungs[epochs]
        rung.append((config, error))
        place = self.rung_levels.index(epochs)
        if len(rung) >= self._width(self.K - place):
            best = self.get_top_n_configurations(rung_level=epochs, n=self._width(self.K - place - 1))
            longer = self.rung_levels[place + 1]
            # others of the rung below may still be waiting: they come first
            self.queue = [{**each, "max_epochs": longer} for each in best] + self.queue
            self.observed_error_at_rungs[epochs] = []

    def get_top_n_configurations(self, rung_level: int, n: int) -> list[Config]:
        """The `n` configurations of least error on a rung, best first; an error that is not a number is the worst."""
        rung = sorted(
            self.observed_error_at_rungs[rung_level], key=lambda seen: (math.isnan(seen[1]), seen[1])
        )
        return [config for config, _ in rung[:n]]

    def _width(self, halvings: int) -> int:
        """How many configurations the rung has that is `halvings` below the last."""
        return int(self.prefact * self.eta**halvings)


def _rungs(eta: float, r_min: int, r_max: int) -> list[int]:
    """Epochs of each rung; raises ConfigError where they are no whole numbers."""
    if not eta > 1 or not 1 <= r_min <= r_max or r_max != int(r_max):
        raise ConfigError(
            f"eta, r_min, r_max are {eta}, {r_min}, {r_max}; allowed: eta above 1, and whole numbers 1 ≤ r_min ≤ r_max"
        )
    rungs: list[int] = []
    while (level := r_min * eta ** len(rungs)) < r_max:
        if level != int(level):
            raise ConfigError(
                f"eta is {eta}: a rung of {level:g} epochs; allowed: whole numbers, such as eta=2"
            )
        rungs.append(int(level))
    return [*rungs, int(r_max)]

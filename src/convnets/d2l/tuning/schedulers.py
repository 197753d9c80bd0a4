"""Which configuration is tried when, and for how long: the book's schedulers."""

from __future__ import annotations

from typing import Any

from convnets.d2l.hyper_parameters import HyperParameters
from convnets.d2l.tuning.searchers import Config, HPOSearcher

__all__ = ["BasicScheduler", "HPOScheduler"]


class HPOScheduler(HyperParameters):
    """Says which configuration is tried next, and hears how it did."""

    def suggest(self) -> Config:
        """To be given by the subclass: the next configuration."""
        raise NotImplementedError

    def update(self, config: Config, error: float, info: Any = None) -> None:
        """To be given by the subclass: hear how `config` did."""
        raise NotImplementedError


class BasicScheduler(HPOScheduler):
    """Tries what its searcher draws, one after the other."""

    def __init__(self, searcher: HPOSearcher) -> None:
        self.save_hyperparameters()
        self.searcher = searcher

    def suggest(self) -> Config:
        """The searcher's next configuration."""
        return self.searcher.sample_configuration()

    def update(self, config: Config, error: float, info: Any = None) -> None:
        """Tell the searcher how `config` did."""
        self.searcher.update(config, error, additional_info=info)

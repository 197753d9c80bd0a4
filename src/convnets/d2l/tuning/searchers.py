"""Which hyper-parameters to try next: the book's searchers."""

from __future__ import annotations

from typing import Any, Protocol

from convnets.d2l.hyper_parameters import HyperParameters

__all__ = ["Config", "HPOSearcher", "RandomSearcher"]

Config = dict[str, Any]
"""A value for each hyper-parameter by its name."""


class Domain(Protocol):
    """The values that a hyper-parameter may take, such as a frozen distribution of `scipy.stats`."""

    def rvs(self) -> Any:
        """One of them, by chance."""
        ...


class HPOSearcher(HyperParameters):
    """Draws configurations, and may learn from their errors."""

    def sample_configuration(self) -> Config:
        """To be given by the subclass: the next configuration."""
        raise NotImplementedError

    def update(self, config: Config, error: float, additional_info: Any = None) -> None:
        """Hear how `config` did; by default nothing is learned from it."""


class RandomSearcher(HPOSearcher):
    """Draws every value by chance from its domain, after `initial_config` where there is one.

    >>> from scipy import stats
    >>> searcher = RandomSearcher({"batch_size": stats.randint(32, 33)}, initial_config={"batch_size": 256})
    >>> [int(searcher.sample_configuration()["batch_size"]) for _ in range(2)]
    [256, 32]
    """

    def __init__(self, config_space: dict[str, Domain], initial_config: Config | None = None) -> None:
        self.save_hyperparameters()
        self.config_space, self.initial_config = config_space, initial_config

    def sample_configuration(self) -> Config:
        """The next configuration."""
        if self.initial_config is not None:
            first, self.initial_config = self.initial_config, None
            return first
        return {name: domain.rvs() for name, domain in self.config_space.items()}

"""The plan of a reproduction: which runs, by which options, under which names; nothing is trained or read here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from convnets.errors import ConfigError, UnknownNameError, UsageError
from convnets.recipes.notes import NOTES, notes_recipe
from convnets.training.config import TrainConfig

__all__ = ["DATA", "PlannedRun", "default_seeds", "plan_runs", "run_name"]

DATA = "fashion-mnist"
"""What the runs of the notes train on."""

# where a run is computed, not what: these may differ from the recipe without making it another run
_PLACE = ("device", "precision", "threads", "deterministic", "fast")
_CHEAP = ("lenet", "lenet_bn")  # half a minute a run, and the spread over seeds is largest
_SEEDS, _CHEAP_SEEDS = 3, 10


@dataclass(frozen=True)
class PlannedRun:
    """One run of a reproduction."""

    network: str
    seed: int
    config: TrainConfig
    data: str

    @property
    def name(self) -> str:
        """The run's directory."""
        return run_name(self.network, self.seed)


def run_name(network: str, seed: int) -> str:
    """The directory of a network's run from a seed.

    >>> run_name("lenet_bn", 3)
    'lenet_bn-3'
    """
    return f"{network}-{seed}"


def default_seeds(network: str) -> int:
    """How many seeds a network is trained from where nobody says.

    >>> default_seeds("lenet"), default_seeds("nin")
    (10, 3)
    """
    return _CHEAP_SEEDS if network in _CHEAP else _SEEDS


def plan_runs(
    networks: str | Sequence[str] | None = None,
    *,
    seeds: int | Sequence[int] | None = None,
    epochs: int | None = None,
    data: str = DATA,
    options: Mapping[str, Any] | None = None,
) -> list[PlannedRun]:
    """The runs of `networks` by their recipes of the notes, network by network and seed by seed.

    Args:
        networks: names, or one; all eight of the notes where none is given.
        seeds: how many, from 0 on, or the seeds themselves; by default 10 for `lenet` and `lenet_bn`, 3 for others.
        epochs: in place of the recipe's ten.
        data: in place of Fashion-MNIST, for trying; the published figures are of Fashion-MNIST.
        options: of a run, what says where and how it is computed: device, precision, threads, deterministic, fast.

    Raises UnknownNameError for a network that the notes do not train, ConfigError for values that are not allowed.

    >>> [run.name for run in plan_runs("lenet", seeds=2)]
    ['lenet-0', 'lenet-1']
    """
    names = list(NOTES) if networks is None else [networks] if isinstance(networks, str) else list(networks)
    if not names:
        raise UsageError(f"no networks to reproduce; give some of {', '.join(NOTES)}")
    place = dict(options or {})
    for key in place:
        if key not in _PLACE:
            raise UnknownNameError("option", key, _PLACE, "the others are the recipe's")
    if epochs is not None:
        place["epochs"] = epochs
    runs = []
    for network in dict.fromkeys(names):  # one that was named twice is trained once
        if network not in NOTES:
            raise UnknownNameError("network of the notes", network, NOTES)
        config = replace(notes_recipe(network).config, **place)
        runs += [
            PlannedRun(network, seed, replace(config, seed=seed), data) for seed in _seeds(network, seeds)
        ]
    return runs


def _seeds(network: str, seeds: int | Sequence[int] | None) -> Sequence[int]:
    if isinstance(seeds, int) and seeds < 1:
        raise ConfigError(f"seeds is {seeds}; allowed: 1 or more")
    if seeds is None or isinstance(seeds, int):
        return range(default_seeds(network) if seeds is None else seeds)
    if not seeds:
        raise ConfigError("seeds is empty; give at least one, or how many")
    return list(dict.fromkeys(seeds))

"""Samplers and pruners: which options come next, and which trials end early."""

from __future__ import annotations

from typing import Any

from convnets.selection.search.trials import import_optuna

__all__ = ["PRUNERS", "SAMPLERS", "make_pruner", "make_sampler"]

SAMPLERS = ("random", "tpe", "qmc", "grid")
PRUNERS = ("none", "median", "hyperband")


def make_sampler(name: str, seed: int) -> Any:
    """Optuna's sampler of that name."""
    samplers = import_optuna().samplers
    if name == "tpe":
        return samplers.TPESampler(seed=None)  # workers must not draw alike
    if name == "qmc":
        return samplers.QMCSampler(seed=seed, warn_independent_sampling=False)
    return samplers.RandomSampler()  # a grid's combinations are put into the queue, so that none is drawn


def make_pruner(name: str, epochs: int) -> Any:
    """Optuna's pruner of that name, for runs of so many epochs."""
    pruners = import_optuna().pruners
    if name == "median":
        return pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=max(1, epochs // 4))
    return pruners.HyperbandPruner(max_resource=epochs) if name == "hyperband" else pruners.NopPruner()

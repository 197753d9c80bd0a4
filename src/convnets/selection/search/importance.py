"""Importance: how much of the difference between trials each option explains."""

from __future__ import annotations

import warnings
from typing import Any

from convnets.selection.search.found import Search
from convnets.selection.search.space import Choice
from convnets.selection.search.trials import import_optuna

__all__ = ["importances"]


def importances(found: Search) -> dict[str, float]:
    """Shares by option that add up to 1, by fANOVA (Hutter, Hoos & Leyton-Brown 2014); all 0 of a single trial.

    A random forest learns accuracy from the options, and its variance is taken apart; with a few trials it is a hint.
    """
    optuna = import_optuna()
    study = optuna.create_study(direction="maximize")
    distributions: dict[str, Any] = {
        name: optuna.distributions.CategoricalDistribution(part.values)
        if isinstance(part, Choice)
        else optuna.distributions.FloatDistribution(part.low, part.high, log=part.log)
        for name, part in found.space.items()
    }
    for each in found.tried:
        if each.accuracy is not None and distributions.keys() == each.options.keys():
            study.add_trial(
                optuna.create_trial(params=each.options, distributions=distributions, value=each.accuracy)
            )
    if len(study.trials) < 2:
        return dict.fromkeys(distributions, 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the evaluator is experimental
        shares = optuna.importance.get_param_importances(
            study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
        )
    return {name: float(shares.get(name, 0.0)) for name in distributions}

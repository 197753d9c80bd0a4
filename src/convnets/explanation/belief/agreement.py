"""Agreement: do methods put the pixels in the same order? They answer the same question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from torch import Tensor

from convnets.errors import InputError
from convnets.explanation.belief.estimate import Estimate, estimate
from convnets.explanation.belief.rank_correlation import rank_correlation

__all__ = ["Agreement", "agreement"]


@dataclass(frozen=True)
class Agreement:
    """Mean rank correlations of pairs of methods."""

    pairs: Mapping[tuple[str, str], Estimate]

    def of(self, first: str, second: str) -> Estimate:
        """The pair's, in any order."""
        return self.pairs[first, second] if (first, second) in self.pairs else self.pairs[second, first]

    def to_dict(self) -> list[dict[str, Any]]:
        """Plain values for JSON."""
        return [{"methods": list(pair), **found.to_dict()} for pair, found in self.pairs.items()]


def agreement(importances: Mapping[str, Tensor]) -> Agreement:
    """Spearman's ρ of every two methods, over the N images of their maps N×H×W.

    Krishna et al. 2022, "The disagreement problem in explainable machine learning", arXiv:2202.01602.
    Raises InputError for maps of different shapes.
    """
    shapes = {name: tuple(maps.shape) for name, maps in importances.items()}
    if len(set(shapes.values())) > 1:
        raise InputError(f"maps have shapes {shapes}; allowed: one shape for all methods")
    return Agreement(
        {
            (first, second): estimate(rank_correlation(importances[first], importances[second]))
            for first, second in combinations(importances, 2)
        }
    )

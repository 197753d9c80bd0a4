"""Holm's correction: many comparisons, and still at most one false finding in twenty experiments."""

from __future__ import annotations

from collections.abc import Sequence

from convnets.errors import InputError

__all__ = ["holm"]


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given: the i-th smallest of m times m − i + 1, never falling, at most 1.

    Holm 1979, "A simple sequentially rejective multiple test procedure". Raises InputError for what is no p-value.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    if any(not 0 <= value <= 1 for value in p_values):
        raise InputError(f"p-values {str(list(p_values))[:80]}; allowed: from 0 to 1")
    adjusted, largest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda each: p_values[each])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = largest
    return adjusted

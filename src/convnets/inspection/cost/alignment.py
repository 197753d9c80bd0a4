"""Alignment: the layers of two networks side by side, in the order in which they run."""

from __future__ import annotations

from collections.abc import Sequence

from convnets.inspection.cost.layer_cost import LayerCost

__all__ = ["align"]

Pair = tuple[LayerCost | None, LayerCost | None]


def align(before: Sequence[LayerCost], after: Sequence[LayerCost]) -> list[Pair]:
    """Pairs of layers of one kind, and what only one network has, with None on the other side; both orders are kept.

    Of all such alignments the one with the largest sum of likenesses, found as Needleman & Wunsch 1970 align
    proteins ("A general method applicable to the search for similarities …"), with gaps that cost nothing.
    """
    keys = [[_key(layer) for layer in side] for side in (before, after)]
    # best[i][j]: the largest sum for what comes after the first i and the first j
    best = [[0] * (len(after) + 1) for _ in range(len(before) + 1)]
    for i in range(len(before) - 1, -1, -1):
        row, below, key = best[i], best[i + 1], keys[0][i]
        for j in range(len(after) - 1, -1, -1):
            most = max(below[j], row[j + 1])
            if key[0] == keys[1][j][0]:
                most = max(most, below[j + 1] + _likeness(key, keys[1][j]))
            row[j] = most
    return _follow(before, after, keys, best)


Key = tuple[str, str, tuple[int, ...] | None, str]


def _key(layer: LayerCost) -> Key:
    return layer.kind, layer.settings, layer.output_shape and layer.output_shape[1:], layer.name


def _likeness(one: Key, other: Key) -> int:
    """Of two layers of one kind: the settings weigh most, then the shape, then the name."""
    return 8 + 6 * (one[1] == other[1]) + 3 * (one[2] == other[2]) + 2 * (one[3] == other[3])


def _follow(
    before: Sequence[LayerCost],
    after: Sequence[LayerCost],
    keys: Sequence[Sequence[Key]],
    best: Sequence[Sequence[int]],
) -> list[Pair]:
    pairs: list[Pair] = []
    i = j = 0
    while i < len(before) or j < len(after):
        here = best[i][j]
        both = i < len(before) and j < len(after) and keys[0][i][0] == keys[1][j][0]
        if both and here == best[i + 1][j + 1] + _likeness(keys[0][i], keys[1][j]):
            pairs.append((before[i], after[j]))
            i, j = i + 1, j + 1
        elif i < len(before) and here == best[i + 1][j]:
            pairs.append((before[i], None))
            i += 1
        else:
            pairs.append((None, after[j]))
            j += 1
    return pairs

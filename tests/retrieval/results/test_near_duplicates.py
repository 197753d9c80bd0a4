"""Near duplicates are the pairs that a loop over all pairs finds."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from convnets.errors import ConfigError, DataError
from convnets.retrieval.results import near_duplicates
from convnets.retrieval.results.near_duplicates import Pair, find_pairs, group_pairs


@pytest.mark.parametrize("distance", [0.0, 0.1, 0.6, 2.0])
def test_pairs_are_those_of_a_plain_loop(distance: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "_ROWS", 16)
    monkeypatch.setattr(near_duplicates, "_PAIRS", 7)
    vectors = F.normalize(torch.randn(70, 5, generator=torch.Generator().manual_seed(0)))
    vectors[40] = vectors[3]
    vectors[69] = F.normalize(vectors[3] + 0.02, dim=0)
    expected = {}
    for first in range(70):
        for second in range(first + 1, 70):
            apart = float((vectors[first].double() - vectors[second].double()).square().sum().sqrt())
            if apart <= distance:
                expected[first, second] = apart
    seen: list[tuple[int, int]] = []
    found = find_pairs(vectors, distance, lambda *each: seen.append(each))
    assert {(pair.first, pair.second) for pair in found} == set(expected)
    for pair in found:
        assert pair.distance == pytest.approx(expected[pair.first, pair.second], abs=1e-6)
    assert [pair.distance for pair in found] == sorted(pair.distance for pair in found)
    assert seen[-1] == (70, 70)


def test_groups_join_what_hangs_together() -> None:
    pairs = [Pair(5, 9, 0.1), Pair(0, 1, 0.1), Pair(1, 2, 0.1), Pair(2, 7, 0.1), Pair(0, 7, 0.2)]
    assert group_pairs(pairs) == [[0, 1, 2, 7], [5, 9]]
    assert group_pairs([]) == []


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for distance in (-0.1, 2.1, float("nan")):
        with pytest.raises(ConfigError, match="allowed: 0"):
            find_pairs(torch.eye(3), distance)
    monkeypatch.setattr(near_duplicates, "_MOST_PAIRS", 2)
    with pytest.raises(DataError, match="more than 2 pairs"):
        find_pairs(torch.eye(3), 2.0)
    assert find_pairs(torch.empty(0, 3), 1.0) == []

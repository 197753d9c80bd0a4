"""The stratified split, against scikit-learn's own."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from convnets.data.stratified import stratified_part


def of_scikit_learn(labels: np.ndarray, count: int, seed: int) -> list[int]:
    _, part = train_test_split(range(len(labels)), test_size=count, stratify=labels, random_state=seed)
    return sorted(part)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.integers(2, 40), min_size=1, max_size=12), st.data())
def test_the_same_images_as_scikit_learn(sizes: list[int], data: st.DataObject) -> None:
    if sum(sizes) < 2 * len(sizes):
        return
    order = np.random.RandomState(data.draw(st.integers(0, 99))).permutation(sum(sizes))
    labels = np.repeat(np.arange(len(sizes)) * data.draw(st.integers(1, 3)), sizes)[order]
    count = data.draw(st.integers(len(sizes), sum(sizes) - len(sizes)))
    seed = data.draw(st.integers(0, 2**32 - 1))
    assert stratified_part(labels, count, seed) == of_scikit_learn(labels, count, seed)


def test_equal_classes_and_their_ties() -> None:
    """Equal remainders are drawn among, which is where two generators part first."""
    for classes, each, count in (
        (10, 6_000, 5_001),
        (1_000, 3, 1_001),
        (7, 2, 7),
        (3, 50, 149 - 3),
        (100, 13, 333),
    ):
        labels = np.arange(classes * each) % classes
        for seed in range(5):
            assert stratified_part(labels, count, seed) == of_scikit_learn(labels, count, seed)

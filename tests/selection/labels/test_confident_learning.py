"""Confident learning against the paper's equations as loops, and against cleanlab on the same probabilities."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from convnets.errors import InputError
from convnets.selection.folds.out_of_fold import OutOfFold
from convnets.selection.labels.confident_learning import (
    class_thresholds,
    confident_joint,
    estimated_joint,
    normalized_margins,
    prune_by_noise_rate,
)
from convnets.selection.labels.flipping import flip_labels
from convnets.selection.labels.label_errors import find_label_errors, rank_images


def example(images: int = 3000, classes: int = 6, share: float = 0.04) -> tuple[Tensor, Tensor, set[int]]:
    """Probabilities of a classifier that is right nine times in ten, labels of which some are flipped, and which."""
    generator = torch.Generator().manual_seed(1)
    true = torch.randint(classes, (images,), generator=generator)
    logits = torch.randn(images, classes, generator=generator, dtype=torch.float64)
    logits[torch.arange(images), true] += 2.5 + 4 * torch.rand(
        images, generator=generator, dtype=torch.float64
    )
    labels, places = flip_labels(true, classes, share)
    return logits.softmax(1), labels, set(places.tolist())


def test_thresholds_and_joint_are_those_of_the_paper() -> None:
    p, labels, _ = example(300)
    rows, given = p.tolist(), labels.tolist()
    thresholds = []
    for j in range(6):
        own = [row[j] for row, label in zip(rows, given, strict=True) if label == j]
        thresholds.append(sum(own) / len(own))
    assert class_thresholds(p, labels).tolist() == pytest.approx(thresholds)
    joint = [[0] * 6 for _ in range(6)]
    for row, label in zip(rows, given, strict=True):
        confident = [j for j in range(6) if row[j] >= thresholds[j]]
        if confident:
            joint[label][max(confident, key=lambda j: row[j])] += 1
    assert confident_joint(p, labels).tolist() == joint
    estimated = estimated_joint(confident_joint(p, labels), labels)
    for i in range(6):
        for j in range(6):
            expected = joint[i][j] / sum(joint[i]) * given.count(i) / 300
            assert float(estimated[i, j]) == pytest.approx(expected)


def test_margins() -> None:
    p, labels, _ = example(50)
    for row, label, found in zip(
        p.tolist(), labels.tolist(), normalized_margins(p, labels).tolist(), strict=True
    ):
        assert found == pytest.approx(row[label] - max(row[:label] + row[label + 1 :]))


def test_the_same_as_cleanlab_on_the_same_probabilities() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from cleanlab.filter import find_label_issues
        from cleanlab.rank import get_label_quality_scores

        p, labels, _ = example()
        theirs = find_label_issues(labels.numpy(), p.numpy(), n_jobs=1)
        quality = get_label_quality_scores(labels.numpy(), p.numpy(), method="normalized_margin")
    np.testing.assert_allclose((normalized_margins(p, labels).numpy() + 1) / 2, quality, atol=1e-12)
    ours = prune_by_noise_rate(p, labels).numpy()
    # cleanlab takes the most probable of all classes where several are confident, the paper of these alone
    both = (ours & theirs).sum()
    assert both >= 0.97 * max(ours.sum(), theirs.sum())


def test_flipped_labels_are_found_no_worse_than_by_cleanlab() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from cleanlab.filter import find_label_issues

        p, labels, flipped = example()
        theirs = find_label_issues(
            labels.numpy(), p.numpy(), return_indices_ranked_by="normalized_margin", n_jobs=1
        ).tolist()
    top = len(flipped)
    ours = rank_images(OutOfFold(p, labels, tuple("abcdef")))[:top]
    assert len(flipped & set(ours)) >= len(flipped & set(theirs[:top]))
    assert len(flipped & set(ours)) > 0.5 * top


def test_the_list_names_label_and_suggestion() -> None:
    p, labels, _ = example()
    found = find_label_errors(OutOfFold(p.float(), labels, tuple("abcdef")))
    margins = [each.margin for each in found.errors]
    assert margins == sorted(margins)
    assert all(margin < 0 for margin in margins)
    for each in found.errors:
        assert each.given == "abcdef"[int(labels[each.index])]
        assert each.suggested == "abcdef"[int(p[each.index].argmax())]
    assert sum(each.found for each in found.classes) == len(found.errors)
    assert found.noise_rate == pytest.approx(0.04, abs=0.03)
    assert "labels are probably wrong" in str(found)


def test_labels_without_noise_are_left_alone() -> None:
    p = torch.full((30, 3), 0.05)
    labels = torch.arange(30) % 3
    p[torch.arange(30), labels] = 0.9
    assert find_label_errors(OutOfFold(p, labels, ("a", "b", "c"))).errors == ()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="allowed: N×K and N"):
        class_thresholds(torch.ones(3, 2), torch.tensor([0]))
    with pytest.raises(InputError, match="int64 from 0 to 1"):
        class_thresholds(torch.ones(1, 2), torch.tensor([2]))

"""Folds: every image held out once, no group in two parts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from convnets.data.image_set import ImageSet
from convnets.data.sources import load_data
from convnets.errors import ConfigError, DataError
from convnets.selection.folds.splitting import groups_by_name, make_folds

LABELS = torch.tensor([0] * 30 + [1] * 20 + [2] * 10)


def test_every_image_is_held_out_once_per_repeat_and_classes_keep_their_shares() -> None:
    folds = make_folds(LABELS, 5, repeats=2, seed=3)
    for repeat in (1, 2):
        own = [fold for fold in folds if fold.repeat == repeat]
        assert sorted(place for fold in own for place in fold.held_out) == list(range(60))
        for fold in own:
            assert not set(fold.train) & set(fold.held_out)
            assert sorted((*fold.train, *fold.held_out)) == list(range(60))
            assert torch.bincount(LABELS[list(fold.held_out)]).tolist() == [6, 4, 2]
    assert folds[0].held_out != folds[5].held_out
    again = make_folds(LABELS, 5, repeats=2, seed=3)
    assert [fold.held_out for fold in folds] == [fold.held_out for fold in again]
    assert [fold.held_out for fold in make_folds(LABELS, 5, seed=4)] != [fold.held_out for fold in folds[:5]]


def test_no_group_is_in_two_parts() -> None:
    groups = [f"patient{place // 3}" for place in np.random.default_rng(0).permutation(60).tolist()]
    for fold in make_folds(LABELS, 4, groups=groups, validation=0.2):
        assert fold.validation
        parts = [{groups[place] for place in part} for part in (fold.train, fold.validation, fold.held_out)]
        assert not parts[0] & parts[1]
        assert not parts[0] & parts[2]
        assert not parts[1] & parts[2]
        assert sum(map(len, (fold.train, fold.validation, fold.held_out))) == 60


@pytest.mark.parametrize(("folds", "repeats"), [(1, 1), (2, 0)])
def test_numbers_that_are_not_allowed(folds: int, repeats: int) -> None:
    with pytest.raises(ConfigError, match="allowed: 2 or more folds"):
        make_folds(LABELS, folds, repeats=repeats)


def test_too_few_images_or_groups_are_told() -> None:
    with pytest.raises(DataError, match="the smallest class has 10 images for 11 folds"):
        make_folds(LABELS, 11)
    with pytest.raises(DataError, match="2 groups for 3 folds"):
        make_folds(LABELS, 3, groups=["a", "b"] * 30)


def test_groups_come_from_paths(tmp_path_factory: pytest.TempPathFactory) -> None:
    class Files:
        names = ("cat/p1_a.png", "cat/p2_a.png", "dog/p1_b.png")

        def content_hash(self) -> str:
            return ""

        def __len__(self) -> int:
            return 3

    images = ImageSet(Files(), torch.tensor([0, 0, 1]), ("cat", "dog"))  # type: ignore[arg-type]
    assert groups_by_name(images, r"p\d+") == ["p1", "p2", "p1"]
    assert groups_by_name(images, r"/p(\d+)") == ["1", "2", "1"]
    with pytest.raises(DataError, match=r"is not in 'dog/p1_b\.png'"):
        groups_by_name(images, "_a")
    with pytest.raises(ConfigError, match="no regular expression"):
        groups_by_name(images, "(")
    with pytest.raises(DataError, match="no names to group by"):
        groups_by_name(load_data("digits").train, "x")

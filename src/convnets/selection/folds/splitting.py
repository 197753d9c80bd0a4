"""Folds: which images each run learns from, chooses its epoch by, and is judged on. N images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from torch import Tensor

from convnets.core.seeds import derive_seed
from convnets.data.image_set import ImageSet
from convnets.errors import ConfigError, DataError
from convnets.training.tables.whole_groups import whole_groups

__all__ = ["Fold", "groups_by_name", "groups_of_names", "make_folds"]


@dataclass(frozen=True, eq=False)
class Fold:
    """Places of images in the set, sorted; each part has none of another's."""

    repeat: int
    """From 1."""
    number: int
    """From 1, in its repeat."""
    train: tuple[int, ...]
    held_out: tuple[int, ...]
    """What the run never sees before it has ended."""
    validation: tuple[int, ...] | None = None
    """To choose the epoch by, of groups of its own; None leaves it to the run to split them off `train`."""

    @property
    def name(self) -> str:
        """Such as `repeat1-fold3`."""
        return f"repeat{self.repeat}-fold{self.number}"


def make_folds(
    labels: Tensor,
    folds: int,
    *,
    repeats: int = 1,
    groups: Sequence[str] | None = None,
    validation: float = 0.1,
    seed: int = 0,
) -> list[Fold]:
    """`folds` × `repeats` folds by scikit-learn: stratified by class, shuffled by `seed` and the repeat alone.

    Args:
        labels: int64 N.
        folds: K parts, each held out once per repeat.
        groups: N names; images of a group are never in two parts of a fold, nor in its validation part.
        validation: share of the training folds to choose by; only looked at with `groups`.

    Raises ConfigError for numbers that are not allowed, DataError where a class or the groups are too few.

    >>> import torch
    >>> [len(fold.held_out) for fold in make_folds(torch.tensor([0, 1] * 6), 3)]
    [4, 4, 4]
    """
    if folds < 2 or repeats < 1:
        raise ConfigError(f"{folds} folds, {repeats} repeats; allowed: 2 or more folds, 1 or more repeats")
    counts = np.bincount(labels.numpy())
    fewest = int(counts[counts > 0].min())
    if fewest < folds:
        raise DataError(
            f"the smallest class has {fewest} images for {folds} folds; give at most {fewest} folds"
        )
    if groups is not None and len(set(groups)) < folds:
        raise DataError(
            f"{len(set(groups))} groups for {folds} folds; give fewer folds, or a finer --group-by"
        )
    found: list[Fold] = []
    for repeat in range(1, repeats + 1):
        state = derive_seed(seed, "folds", repeat) % 2**32
        for number, (train, held_out) in enumerate(_split(labels.numpy(), folds, groups, state), 1):
            inner = (
                None
                if groups is None or validation == 0
                else _inner(labels, train, groups, validation, state)
            )
            kept = train if inner is None else np.setdiff1d(train, inner)
            found.append(
                Fold(
                    repeat,
                    number,
                    tuple(kept.tolist()),
                    tuple(np.sort(held_out).tolist()),
                    None if inner is None else tuple(inner.tolist()),
                )
            )
    return found


_Places = np.ndarray[tuple[int], np.dtype[np.int64]]


def _split(
    labels: _Places, folds: int, groups: Sequence[str] | None, state: int
) -> list[tuple[_Places, _Places]]:
    if groups is None:
        splitter = StratifiedKFold(folds, shuffle=True, random_state=state)
        return list(splitter.split(labels, labels))
    grouped = StratifiedGroupKFold(folds, shuffle=True, random_state=state)
    return list(grouped.split(labels, labels, groups))


def _inner(labels: Tensor, train: _Places, groups: Sequence[str], share: float, state: int) -> _Places:
    """About `share` of the training images, whole groups of them."""
    own = np.array([groups[place] for place in train.tolist()])
    found: _Places = np.sort(train[whole_groups(own, labels.numpy()[train], share, state)])
    return found


def groups_by_name(images: ImageSet, pattern: str) -> list[str]:
    r"""The group of each picture by its path, see `groups_of_names`; DataError for images without names."""
    if images.resident:
        raise DataError(f"{images.source}: its images have no names to group by; give groups=… in Python")
    return groups_of_names(images.images.names, pattern, images.source)  # type: ignore[union-attr]


def groups_of_names(names: Sequence[str], pattern: str, source: str) -> list[str]:
    r"""The group of each: what the pattern's first bracket, or else the whole of it, finds in its name.

    Such as `(patient\d+)`. Raises ConfigError for no pattern, DataError for a name that it misses.

    >>> groups_of_names(["a/ann-1.wav", "b/ann-2.wav", "b/bob-1.wav"], "(ann|bob)-", "an example")
    ['ann', 'ann', 'bob']
    """
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise ConfigError(f"group-by {pattern!r} is no regular expression: {error}") from None
    found = []
    for name in names:
        match = search(name)
        if match is None:
            raise DataError(f"{source}: {pattern!r} is not in {name!r}; every file needs a group")
        found.append(match[1] if match.re.groups else match[0])
    return found

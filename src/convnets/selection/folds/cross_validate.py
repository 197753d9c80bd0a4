"""cross_validate(): the same configuration trained on K folds, and judged on what each of them left out."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from convnets.core.progress import Progress
from convnets.core.storage.files import write_json
from convnets.data.image_set import ImageSet, Splits
from convnets.data.shards.paths import lasting_pattern
from convnets.data.sources import list_data, load_data
from convnets.errors import ConfigError, RunError, UsageError
from convnets.models.catalogue import model_entry
from convnets.selection.folds.cross_validation import RECORD, CrossValidation, read_cross_validation
from convnets.selection.folds.finalize import finalize
from convnets.selection.folds.side_by_side import (
    PlannedFold,
    check_jobs,
    fair_share,
    train_fold,
    work_side_by_side,
)
from convnets.selection.folds.splitting import Fold, groups_by_name, make_folds
from convnets.training.config import TrainConfig
from convnets.training.events import Listener
from convnets.training.interruption import INTERRUPTED, TERMINATED
from convnets.training.runs.run_folders import check_output

__all__ = ["cross_validate"]


def cross_validate(
    network: str,
    data: Splits | ImageSet | str | Path,
    config: TrainConfig | None = None,
    *,
    folds: int = 5,
    repeats: int = 1,
    groups: Sequence[str] | str | None = None,
    arguments: dict[str, Any] | None = None,
    output: Path | str = "runs",
    name: str | None = None,
    go_on: bool = False,
    jobs: int = 1,
    listeners: Sequence[Listener] | None = None,
    progress: Progress | None = None,
) -> CrossValidation:
    """Train `network` on K folds of the training images, and judge each run on the fold that it never saw.

    Each fold is an ordinary run in `output`/NAME/folds. Mean and spread of the pixels, augmentation, and the epoch
    (by validation images split off the training folds, or the data's own) come from its training folds alone; the
    data's own test images are not looked at. At the end NAME holds `out_of_fold.csv`, `disagreement.csv` and `.png`,
    and `model/`, the ensemble of the folds.

    Args:
        network: a name of the catalogue.
        folds: K, stratified by class; `repeats`: how often all of it is done, shuffled anew.
        groups: a name for each training image, or a regular expression on pictures' paths: no group is in two parts.
        arguments: further arguments of `create_model`.
        go_on: the folder may be there: folds that have ended are kept, one that was stopped goes on exactly.
        jobs: folds trained side by side, each with its share of the cores. A script calls it below
            `if __name__ == "__main__":`.
        listeners: who hears the events of each run (with `jobs` above 1 nobody does).
        progress: who hears of downloads, decoding and folds.

    Ctrl-C or SIGTERM saves the run at its next step and ends it all; `stopped` says so, and what is done is kept.
    Raises UsageError, DataError, TrainingError, and RunError for a folder of something else.

    >>> found = cross_validate("softmax", "digits", TrainConfig(epochs=1), folds=2, output=tmp_path, listeners=())
    >>> len(found.accuracies), found.out_of_fold().probabilities.shape
    (2, torch.Size([1437, 10]))
    """
    config = config or TrainConfig()
    _check(network, config, jobs)
    splits = load_data(data, progress=progress) if isinstance(data, str | Path) else data
    splits = Splits(splits) if isinstance(splits, ImageSet) else splits
    by_name = groups_by_name(splits.train, groups) if isinstance(groups, str) else groups
    if by_name is not None and len(by_name) != len(splits.train):
        raise ConfigError(f"{len(by_name)} groups for {len(splits.train)} images; give one for each")
    planned = make_folds(
        splits.train.labels,
        folds,
        repeats=repeats,
        groups=by_name,
        validation=config.validation if splits.validation is None else 0,
        seed=config.seed,
    )
    named = data if isinstance(data, str | Path) else None
    settings = {
        "network": network,
        "arguments": arguments or {},
        "data": _lasting_name(named),
        "source": splits.source,
        "content_hash": splits.train.content_hash(),
        "folds": folds,
        "repeats": repeats,
        "groups": groups if isinstance(groups, str) else None if groups is None else "given",
        "options": config.to_dict(),
    }
    path = Path(output) / (name or f"cross-validation-{network}-{Path(splits.source).stem}")
    _begin(path, settings, planned, go_on=go_on)
    config = fair_share(config, jobs)
    make = functools.partial(_planned, path, splits, network, config, arguments or {})
    if jobs > 1:
        work = functools.partial(train_fold, listeners=())
        _, stopped = work_side_by_side(work, [make(fold) for fold in planned], jobs, str, progress)
    else:
        stopped = _one_by_one(planned, make, listeners, progress)
    found = read_cross_validation(path, stopped)
    if found.complete:
        finalize(found, splits.train, planned, config, progress)
    return found


def _one_by_one(
    planned: Sequence[Fold],
    make: functools.partial[PlannedFold],
    listeners: Sequence[Listener] | None,
    progress: Progress | None,
) -> str | None:
    """Why it was stopped, if it was."""
    for fold in planned:
        status = train_fold(make(fold), listeners, progress)
        if status in (INTERRUPTED, TERMINATED):
            return status
    return None


def _planned(
    path: Path, splits: Splits, network: str, config: TrainConfig, arguments: dict[str, Any], fold: Fold
) -> PlannedFold:
    validation = splits.validation
    if fold.validation is not None:
        validation = splits.train.subset(fold.validation)
    parts = Splits(splits.train.subset(fold.train), validation, splits.train.subset(fold.held_out))
    own = replace(config, seed=config.seed + fold.repeat - 1)
    return PlannedFold(fold.name, path / "folds", network, parts, own, arguments)


def _check(network: str, config: TrainConfig, jobs: int) -> None:
    model_entry(network)
    if config.objective != "classification":
        raise ConfigError(f"objective is {config.objective}; allowed with folds: classification")
    check_jobs(jobs)


def _begin(path: Path, settings: dict[str, Any], planned: Sequence[Fold], *, go_on: bool) -> None:
    """Make the folder, or find that it is the one to go on with."""
    record = {**settings, "planned": [{"name": fold.name, "images": len(fold.held_out)} for fold in planned]}
    check_output(path.parent, None if go_on else path.name)
    if not path.exists():
        (path / "folds").mkdir(parents=True)
        write_json(path / RECORD, record)
        return
    before = read_cross_validation(path).settings
    for key in before.keys() | settings.keys():
        if key not in ("data", "source") and before.get(key) != settings.get(key):
            raise RunError(
                f"{path} was begun with {key} {_short(before.get(key))}, now it is {_short(settings.get(key))}; "
                "give those that it was begun with, or another name"
            )


def _short(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "…"


def _lasting_name(data: str | Path | None) -> str | None:
    if data is None:
        return None
    if str(data) == "":
        raise UsageError("no data; give a data set's name, or a folder or zip of pictures")
    return str(data) if str(data) in {entry.name for entry in list_data()} else lasting_pattern(str(data))

"""cross_validate_table(): a network and simple models on the same K folds of a table's rows, with intervals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold

from convnets.checkpoints.table_model import load_table_model
from convnets.core.display.text_table import aligned
from convnets.core.seeds import derive_seed
from convnets.core.storage.files import write_json
from convnets.errors import ConfigError, DataError, RunError
from convnets.evaluation.baselines import evaluate_baselines, figures_of
from convnets.evaluation.evaluate_rows import evaluate_rows
from convnets.models.catalogue import model_entry
from convnets.selection.statistics.intervals import Interval, corrected_interval
from convnets.series.examples import ExampleSet, encoded
from convnets.series.series_set import SeriesSet
from convnets.training.config import TrainConfig
from convnets.training.events import Listener
from convnets.training.interruption import INTERRUPTED, TERMINATED
from convnets.training.runs.run import Run
from convnets.training.runs.run_folders import check_output
from convnets.training.train import train

__all__ = ["TABLE_RECORD", "TableFolds", "cross_validate_table", "read_table_folds"]

TABLE_RECORD = "table-folds.json"
_NAMES = {
    "accuracy": "accuracy",
    "loss": "loss",
    "pinball": "pinball",
    "r1": "R¹",
    "coverage": "covered",
    "width": "width",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
    "log_rmse": "log-RMSE",
}


@dataclass(frozen=True)
class TableFolds:
    """Figures of the network and of simple models, on rows that none of them had seen."""

    network: str
    source: str
    folds: int
    figures: dict[str, dict[str, list[float]]]
    """By model (the network's first) and measure: one for each fold that is done."""
    stopped: str | None = None
    """Why it ended before the last fold, if it did."""
    repeats: int = 1
    pairing: str = ""
    """What is equal for two networks that were judged on the same folds: rows, seed, and how they were split."""

    @property
    def fold_names(self) -> list[str]:
        """Of each fold that is done."""
        done = len(next(iter(self.figures[self.network].values())))
        return [f"repeat{place // self.folds + 1}-fold{place % self.folds + 1}" for place in range(done)]

    def interval(self, model: str, measure: str) -> Interval:
        """The mean over the folds with its 95 % interval, corrected for the rows that folds share."""
        values, share = self.figures[model][measure], 1 / (self.folds - 1)
        return corrected_interval(values, share, shares=measure in ("accuracy", "coverage"))

    def difference(self, model: str, measure: str) -> Interval:
        """By how much the network's figure is above that of `model`, fold by fold, with its 95 % interval."""
        own, other = (np.array(self.figures[name][measure]) for name in (self.network, model))
        return corrected_interval((own - other).tolist(), 1 / (self.folds - 1))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))

    def __str__(self) -> str:
        done = len(next(iter(self.figures[self.network].values())))
        head = f"{self.source}: {done} folds of {self.folds} a repeat; mean [95 % interval]"
        measures = [key for key in _NAMES if key in self.figures[self.network]]
        if done < 2:
            return f"{head}\ntoo few folds for an interval"
        rows = [
            (model, *(_shown(self.interval(model, measure)) for measure in measures))
            for model in self.figures
        ]
        lines = [head, aligned(("model", *(_NAMES[each] for each in measures)), rows)]
        first = measures[0]
        for model in list(self.figures)[1:]:
            found = self.difference(model, first)
            better = found.low > 0 if first == "accuracy" else found.high < 0
            worse = found.high < 0 if first == "accuracy" else found.low > 0
            word = "better than" if better else "worse than" if worse else "not told apart from"
            lines.append(f"{_NAMES[first]}: {self.network} is {word} {model}, difference {_shown(found)}")
        return "\n".join(lines)


def cross_validate_table(
    network: str,
    table: ExampleSet,
    config: TrainConfig | None = None,
    *,
    folds: int = 5,
    repeats: int = 1,
    arguments: dict[str, Any] | None = None,
    output: Path | str = "runs",
    name: str | None = None,
    go_on: bool = False,
    listeners: Sequence[Listener] | None = None,
) -> TableFolds:
    """Train `network` on K folds of the rows, and judge it and simple models on the fold that none of them saw.

    Each fold is an ordinary run in `output`/NAME/folds: what is fitted on rows (means, medians, categories, bins), and
    the rows that choose the epoch, come from its training folds alone. Folds are stratified where the target holds
    classes.

    Args:
        network: a name of the catalogue.
        folds: K; `repeats`: how often all of it is done, shuffled anew.
        arguments: further arguments of `create_model`, such as widths of mlp.
        go_on: the folder may be there: folds that have ended are kept, one that was stopped goes on exactly.
        listeners: who hears the events of each run.

    Raises ConfigError and DataError for folds that cannot be made, RunError for a folder of something else.
    """
    config = config or TrainConfig()
    model_entry(network)
    path = Path(output) / (name or f"cross-validation-{network}-{Path(table.source).stem}")
    if not go_on:
        check_output(path.parent, path.name)
    pairing = str([table.content_hash(), folds, repeats, config.seed])
    found = TableFolds(network, table.source, folds, {}, None, repeats, pairing)
    for repeat in range(1, repeats + 1):
        seed = derive_seed(config.seed, "folds", repeat) % 2**32
        for number, (learned, held_out) in enumerate(_split(table, folds, repeats, seed), 1):
            training, judged = table.subset(learned), table.subset(held_out)
            run = train(
                network, training, config, output=path / "folds", name=f"repeat{repeat}-fold{number}",
                go_on=True, arguments=arguments, listeners=listeners,
            )  # fmt: skip
            if run.status in (INTERRUPTED, TERMINATED):
                return replace(found, stopped=run.status)
            _judge(found, run, training, judged)
    write_json(path / TABLE_RECORD, found.to_dict())
    return found


def read_table_folds(path: Path | str) -> TableFolds:
    """What `cross_validate_table` left in a folder. Raises RunError where it is damaged."""
    file = Path(path) / TABLE_RECORD
    try:
        return TableFolds(**json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(
            f"{file} is damaged ({str(error)[:80]}); go on with --resume to write it again"
        ) from None


def _split(table: ExampleSet, folds: int, repeats: int, seed: int) -> list[tuple[Any, Any]]:
    if folds < 2 or repeats < 1:
        raise ConfigError(f"{folds} folds, {repeats} repeats; allowed: 2 or more folds, 1 or more repeats")
    if len(table) < 2 * folds:
        raise DataError(
            f"{table.source}: {len(table)} rows for {folds} folds; give at least {2 * folds} rows"
        )
    if isinstance(table, SeriesSet) and table.in_time:
        if repeats > 1:
            raise ConfigError("windows of a long series have one order; --repeats is 1 there")
        return list(table.folds_in_time(folds))
    target = table.targets[0] if table.targets else None
    if target is None or target.kind != "category" or target.missing.any():
        return list(KFold(folds, shuffle=True, random_state=seed).split(np.zeros(len(table))))
    fewest = int(np.bincount(target.values).min())
    if fewest < folds:
        raise DataError(
            f"{table.source}: the smallest class has {fewest} rows for {folds} folds; give fewer folds"
        )
    return list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(target.values, target.values))


def _judge(found: TableFolds, run: Run, training: ExampleSet, judged: ExampleSet) -> None:
    model = load_table_model(run.model_folder)
    inputs = encoded(judged, model.encoder)
    own = evaluate_rows(model.network, inputs, judged, model.target)
    others = evaluate_baselines(model.target, (encoded(training, model.encoder), training), (inputs, judged))
    for name, evaluation in {found.network: own, **others}.items():
        for measure, value in figures_of(evaluation).items():
            if value is not None:
                found.figures.setdefault(name, {}).setdefault(measure, []).append(value)


def _shown(interval: Interval) -> str:
    return f"{interval.estimate:.4g} [{interval.low:.4g}, {interval.high:.4g}]"

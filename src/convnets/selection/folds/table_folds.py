"""cross_validate_table(): a network and simple models on the same K folds of rows or series, with intervals."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from convnets.checkpoints.table_model import load_table_model
from convnets.core.display.text_table import aligned
from convnets.core.progress import Progress
from convnets.core.seeds import derive_seed
from convnets.core.storage.files import write_json
from convnets.errors import RunError
from convnets.evaluation.baselines import evaluate_baselines, figures_of
from convnets.evaluation.evaluate_rows import evaluate_rows
from convnets.models.catalogue import model_entry
from convnets.selection.folds.side_by_side import (
    PlannedFold,
    begun_with,
    check_jobs,
    fair_share,
    work_side_by_side,
)
from convnets.selection.folds.table_splitting import grouped, split_examples
from convnets.selection.statistics.intervals import (
    BELOW_1,
    FROM_0,
    SHARES,
    UNBOUNDED,
    Ends,
    Interval,
    corrected_interval,
)
from convnets.series.examples import ExampleSet, encoded
from convnets.training.config import TrainConfig
from convnets.training.events import Listener
from convnets.training.interruption import INTERRUPTED, TERMINATED
from convnets.training.runs.run_folders import check_output
from convnets.training.train import train

__all__ = ["TABLE_RECORD", "TableFolds", "cross_validate_table", "read_table_folds"]

TABLE_RECORD = "table-folds.json"
# what evaluate_baselines imports
_SIMPLE_MODELS = ("sklearn.dummy", "sklearn.ensemble", "sklearn.linear_model")
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
_ENDS = {
    **dict.fromkeys(("accuracy", "coverage"), SHARES),
    **dict.fromkeys(("r2", "r1"), BELOW_1),
    **dict.fromkeys(("loss", "rmse", "mae", "log_rmse", "pinball", "width"), FROM_0),
}
_Figures = dict[str, dict[str, float | None]]
_Outcome = tuple[str, _Figures]


@dataclass(frozen=True)
class TableFolds:
    """Figures of the network and of simple models, on rows that none of them had seen."""

    network: str
    source: str
    folds: int
    figures: dict[str, dict[str, list[float]]]
    """By model (the network's first) and measure: one for each of `fold_names`; measures that all folds know."""
    stopped: str | None = None
    """Why it ended before the last fold, if it did."""
    repeats: int = 1
    pairing: str = ""
    """What is equal for two networks that were judged on the same folds: rows, seed, and how they were split."""
    fold_names: list[str] = field(default_factory=list)
    """Of each fold that is done, such as `repeat1-fold3`."""

    @staticmethod
    def ends(measure: str) -> Ends:
        """Between which the values of a measure lie: accuracies between 0 and 1, R² below 1, errors above 0."""
        return _ENDS.get(measure, UNBOUNDED)

    def interval(self, model: str, measure: str) -> Interval:
        """The mean over the folds with its 95 % interval, corrected for the rows that folds share."""
        values, share = self.figures[model][measure], 1 / (self.folds - 1)
        return corrected_interval(values, share, ends=self.ends(measure))

    def difference(self, model: str, measure: str) -> Interval:
        """By how much the network's figure is above that of `model`, fold by fold, with its 95 % interval."""
        own, other = (np.array(self.figures[name][measure]) for name in (self.network, model))
        return corrected_interval((own - other).tolist(), 1 / (self.folds - 1))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))

    def __str__(self) -> str:
        done = len(self.fold_names)
        head = f"{self.source}: {done} folds of {self.folds} a repeat; mean [95 % interval]"
        if done < 2:
            return f"{head}\ntoo few folds for an interval"
        measures = [key for key in _NAMES if key in self.figures[self.network]]
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
    groups: str | Sequence[Any] | None = None,
    go_on: bool = False,
    jobs: int = 1,
    listeners: Sequence[Listener] | None = None,
    progress: Progress | None = None,
) -> TableFolds:
    """Train `network` on K folds of the rows, and judge it and simple models on the fold that none of them saw.

    Each fold is an ordinary run in `output`/NAME/folds: what is fitted on rows (means, medians, categories, bins), and
    the rows that choose the epoch, come from its training folds alone. Folds are stratified where the target holds
    classes.

    Args:
        network: a name of the catalogue.
        folds: K; `repeats`: how often all of it is done, shuffled anew.
        arguments: further arguments of `create_model`, such as widths of mlp.
        groups: the name of a column, or a value for each row: rows of equal values are never in two parts of a fold,
            nor on both sides of its validation rows. The column is not learned from. Of long series it is the column
            that tells them apart, and whole series are judged; without it folds go forward in time. Of sounds it is a
            regular expression on their paths.
        go_on: the folder may be there: folds that have ended are kept, one that was stopped goes on exactly.
        jobs: folds side by side, each with its share of the cores; the results are those of one after the other, to
            the bit where the number of threads is given. A script calls it below `if __name__ == "__main__":`.
        listeners: who hears the events of each run (with `jobs` above 1 nobody does).
        progress: who hears of folds (with `jobs` above 1).

    Raises ConfigError and DataError for folds that cannot be made, RunError for a folder of something else.
    """
    config = config or TrainConfig()
    model_entry(network)
    check_jobs(jobs)
    table = table if groups is None else grouped(table, groups)
    path = Path(output) / (name or f"cross-validation-{network}-{Path(table.source).stem}")
    if not go_on:
        check_output(path.parent, path.name)
    planned: list[tuple[PlannedFold, ExampleSet]] = []
    for repeat in range(1, repeats + 1):
        seed = derive_seed(config.seed, "folds", repeat) % 2**32
        for number, (learned, held_out) in enumerate(split_examples(table, folds, repeats, seed), 1):
            fold = PlannedFold(
                f"repeat{repeat}-fold{number}", path / "folds", network, table.subset(learned),
                fair_share(config, jobs), arguments or {},
            )  # fmt: skip
            planned.append((fold, table.subset(held_out)))
    if jobs > 1:
        work = functools.partial(_work, listeners=())
        done, stopped = work_side_by_side(work, planned, jobs, _status_of, progress, imports=_SIMPLE_MODELS)
    else:
        done, stopped = _one_by_one(planned, listeners)
    pairing = [table.content_hash(), folds, repeats, config.seed]
    if table.groups is not None:
        pairing.append(hashlib.sha256(table.groups.values.tobytes()).hexdigest())
    ended = [
        (fold.name, outcome[1])
        for (fold, _), outcome in zip(planned, done, strict=True)
        if outcome is not None
    ]
    found = TableFolds(
        network, table.source, folds, _by_measure([figures for _, figures in ended]), stopped, repeats,
        str(pairing), [fold_name for fold_name, _ in ended],
    )  # fmt: skip
    if stopped is None:
        write_json(path / TABLE_RECORD, found.to_dict())
    return found


def _one_by_one(
    planned: Sequence[tuple[PlannedFold, ExampleSet]], listeners: Sequence[Listener] | None
) -> tuple[list[_Outcome | None], str | None]:
    done: list[_Outcome | None] = [None] * len(planned)
    for place, each in enumerate(planned):
        outcome = _work(each, listeners)
        if outcome[0] in (INTERRUPTED, TERMINATED):
            return done, outcome[0]
        done[place] = outcome
    return done, None


def _by_measure(folds: Sequence[_Figures]) -> dict[str, dict[str, list[float]]]:
    """Models, measures and then folds; of the measures those that every fold knows."""
    found: dict[str, dict[str, list[float]]] = {}
    for model, measures in folds[0].items() if folds else ():
        for measure in measures:
            values = [fold[model][measure] for fold in folds]
            known = [value for value in values if value is not None]
            if len(known) == len(values):
                found.setdefault(model, {})[measure] = known
    return found


def read_table_folds(path: Path | str) -> TableFolds:
    """What `cross_validate_table` left in a folder. Raises RunError where it is damaged."""
    file = Path(path) / TABLE_RECORD
    try:
        found = TableFolds(**json.loads(file.read_text("utf-8")))
        if any(
            len(values) != len(found.fold_names)
            for each in found.figures.values()
            for values in each.values()
        ):
            raise ValueError("figures and folds differ in number")
        return found
    except (OSError, ValueError, TypeError) as error:
        raise RunError(
            f"{file} is damaged ({str(error)[:80]}); go on with --resume to write it again"
        ) from None


def _work(each: tuple[PlannedFold, ExampleSet], listeners: Sequence[Listener] | None) -> _Outcome:
    """A fold's run, and the figures of the network and of simple models on what it left out."""
    planned, judged = each
    try:
        run = train(
            planned.network, planned.examples, begun_with(planned), output=planned.output, name=planned.name,
            go_on=True, arguments=planned.arguments, listeners=listeners,
        )  # fmt: skip
    except KeyboardInterrupt:  # before there was a run that could have been saved
        return INTERRUPTED, {}
    if run.status in (INTERRUPTED, TERMINATED):
        return run.status, {}
    model, training = load_table_model(run.model_folder), planned.examples
    assert isinstance(training, ExampleSet)
    with threadpool_limits(planned.config.threads):
        inputs = encoded(judged, model.encoder)
        own = evaluate_rows(model.network, inputs, judged, model.target)
        others = evaluate_baselines(
            model.target, (encoded(training, model.encoder), training), (inputs, judged)
        )
    return run.status, {
        name: figures_of(evaluation) for name, evaluation in {planned.network: own, **others}.items()
    }


def _status_of(outcome: _Outcome) -> str:
    return outcome[0]


def _shown(interval: Interval) -> str:
    return f"{interval.estimate:.4g} [{interval.low:.4g}, {interval.high:.4g}]"

"""tune(): try options on validation images, keep every trial, and write the best ones as a configuration."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from convnets.core.former_names import current_names
from convnets.core.progress import Progress
from convnets.core.storage.files import write_text
from convnets.data.image_set import ImageSet, Splits
from convnets.data.sources import load_data
from convnets.errors import ConfigError, TrainingError, UnknownNameError
from convnets.models.catalogue import model_entry
from convnets.selection.search.agreement import begin
from convnets.selection.search.choice import STRENGTH, resolve
from convnets.selection.search.costs import COSTS, cost_of
from convnets.selection.search.database import Database, check_address
from convnets.selection.search.found import Search, Tried
from convnets.selection.search.grid import grid_of
from convnets.selection.search.journal import Journal
from convnets.selection.search.samplers import PRUNERS, SAMPLERS, make_pruner, make_sampler
from convnets.selection.search.space import Range, Space, default_space
from convnets.selection.search.trials import SharedTrials, import_optuna, run_trials
from convnets.series.examples import ExampleSet, kind_of
from convnets.training.config import TrainConfig
from convnets.training.events import EpochEnded, Event, Listener
from convnets.training.interruption import INTERRUPTED, TERMINATED
from convnets.training.runs.run import Run
from convnets.training.runs.run_folders import check_output
from convnets.training.train import train

__all__ = ["PRUNERS", "SAMPLERS", "Range", "Search", "Tried", "tune"]


def tune(
    network: str,
    data: Splits | ImageSet | ExampleSet | str | Path,
    config: TrainConfig | None = None,
    *,
    trials: int = 50,
    minutes: float | None = None,
    arguments: dict[str, Any] | None = None,
    sampler: str = "random",
    pruner: str = "none",
    space: Space | None = None,
    against: str | None = None,
    storage: str | None = None,
    output: Path | str = "runs",
    name: str | None = None,
    go_on: bool = False,
    listeners: Sequence[Listener] = (),
    progress: Progress | None = None,
) -> Search:
    """Train `network` with options drawn from `space`, and rank them by accuracy on validation images (of numbers: R²).

    Test images are taken away before the first trial. Every trial is an ordinary run in `output`/NAME/trials. Several
    processes may work on one search: start the same command again with `go_on`.

    Args:
        config: options that are not tried; its seed draws the validation images, the same in all trials.
        trials: how many in all; `minutes`: begin none after so long.
        arguments: further arguments of `create_model`, that are not tried.
        sampler: random (Bergstra & Bengio 2012), tpe, qmc (a Sobol sequence), or grid (every combination once).
        pruner: end trials that lag behind: none, median, or hyperband.
        against: weigh accuracy against seconds (of training), macs (for one image) or parameters: the result's
            `front` has the trials that no other beats in both.
        storage: `postgresql://USER@HOST:PORT/DATABASE` for workers on several machines, under the folder's name; by
            default a journal in the folder.

    Raises UsageError without Optuna, and for what is not allowed; RunError for a folder of another search, or where
    the database does not answer.

    >>> space = {"learning_rate": Range(0.001, 0.1, log=True)}
    >>> found = tune("softmax", "digits", TrainConfig(epochs=1), trials=2, space=space, output=tmp_path)
    >>> len(found.tried)
    2
    """
    config = config or TrainConfig()
    if space is None:
        space = default_space(network, config.optimizer, images=not isinstance(data, ExampleSet))
    _check(network, config, trials, sampler, pruner)
    if against is not None:
        _check_cost(against, pruner)
    if storage is not None:
        check_address(storage)
    if "augment" not in space and not config.augment:
        space = {key: part for key, part in space.items() if key != STRENGTH}  # of nothing
    grid = grid_of(space, config.seed) if sampler == "grid" else None
    seen, hashes = _seen(data, progress)
    path = Path(output) / (name or f"search-{network}-{Path(seen.source).stem}")
    tried_arguments = [key for key in space if key in model_entry(network).options]
    settings = {
        "network": network,
        "content_hash": hashes,
        "options": config.to_dict(),
        "argument_names": tried_arguments,
        "arguments": arguments or {},
        "space": {key: [type(part).__name__, str(part)] for key, part in space.items()},
        "against": against,
    }
    directions = ("maximize",) if against is None else ("maximize", "minimize")
    strategy = make_sampler(sampler, config.seed), make_pruner(pruner, config.epochs), directions
    shared = _open(storage, path, settings, strategy, go_on=go_on)
    shared.grid = grid
    stopped: list[str] = []

    def measure(trial: Any) -> Sequence[float]:
        chosen = {key: part.suggest(trial, key) for key, part in space.items()}
        run = _train(trial, chosen, network, seen, settings, path, listeners, stopped)
        accuracy = _accuracy(run)
        return (accuracy,) if against is None else (accuracy, cost_of(run, against))

    with contextlib.closing(shared):
        try:
            run_trials(shared, measure, trials, None if minutes is None else 60 * minutes)
        except KeyboardInterrupt:
            stopped.append(INTERRUPTED)
        tried = tuple(map(_tried, shared.finished()))
    found = Search(path, settings, tried, stopped[0] if stopped else None, space)
    if any(each.accuracy is not None for each in tried):
        write_text(path / "best.toml", found.toml())
    return found


def _seen(
    data: Splits | ImageSet | ExampleSet | str | Path, progress: Progress | None
) -> tuple[Splits | ExampleSet, dict[str, str]]:
    """What trials are trained and judged on, with its hashes; test images are taken away, so that none can look."""
    if isinstance(data, ExampleSet):
        return data, {kind_of(data): data.content_hash()}
    splits = load_data(data, progress=progress) if isinstance(data, str | Path) else data
    splits = replace(Splits(splits) if isinstance(splits, ImageSet) else splits, test=None)
    return splits, {part: images.content_hash() for part, images in splits.parts().items()}


def _open(
    storage: str | None, path: Path, settings: dict[str, Any], strategy: Sequence[Any], *, go_on: bool
) -> SharedTrials:
    """The trials; a database that does not answer, or holds another search, leaves no folder behind."""
    if storage is None:
        begin(path, settings, go_on=go_on)
        return Journal(path, *strategy)
    check_output(path.parent, None if go_on else path.name)
    shared = Database(storage, path.name, *strategy)
    with contextlib.ExitStack() as failed:
        failed.callback(shared.close)
        shared.agree(settings, go_on=go_on)
        begin(path, settings, go_on=go_on)
        failed.pop_all()
    return shared


def _train(
    trial: Any,
    chosen: dict[str, Any],
    network: str,
    splits: Splits | ExampleSet,
    settings: dict[str, Any],
    path: Path,
    listeners: Sequence[Listener],
    stopped: list[str],
) -> Run:
    """The trial's run; ends early where the pruner says so."""
    pruned = False

    def watch(event: Event) -> None:
        nonlocal pruned
        of_one = len(trial.study.directions) == 1  # pruners know no more
        if of_one and isinstance(event, EpochEnded) and event.validation_accuracy is not None:
            trial.report(event.validation_accuracy, event.epoch)
            if event.epoch < settings["options"]["epochs"] and trial.should_prune():
                pruned = True
                raise KeyboardInterrupt

    resolved = resolve(chosen, settings)
    run = train(
        network,
        splits,
        TrainConfig.from_dict(resolved.options, "the search"),
        arguments=resolved.arguments,
        output=path / "trials",
        name=f"trial{trial.number}",
        listeners=[*listeners, watch],
    )
    if pruned:
        raise import_optuna().TrialPruned
    if run.status in (INTERRUPTED, TERMINATED):
        stopped.append(run.status)
        raise KeyboardInterrupt  # its lease ends, and the next one to go on tries it again
    return run


def _accuracy(run: Run) -> float:
    """On the validation images, of the best epoch; of numbers R²."""
    score = run.score("validation")
    if score is None:
        raise TrainingError(f"{run.path} has no validation accuracy; give a validation share above 0")
    return score


def _tried(trial: Any) -> Tried:
    accuracy, *cost = trial.values or (None,)
    return Tried(trial.number, accuracy, current_names(trial.params), cost[0] if cost else None)


def _check_cost(against: str, pruner: str) -> None:
    if against not in COSTS:
        raise UnknownNameError("cost", against, COSTS)
    if pruner != "none":
        raise ConfigError(f"pruner is {pruner} and accuracy is weighed against {against}; allowed: none")


def _check(network: str, config: TrainConfig, trials: int, sampler: str, pruner: str) -> None:
    model_entry(network)
    if trials < 1:
        raise ConfigError(f"trials is {trials}; allowed: 1 or more")
    if sampler not in SAMPLERS:
        raise UnknownNameError("sampler", sampler, SAMPLERS)
    if pruner not in PRUNERS:
        raise UnknownNameError("pruner", pruner, PRUNERS)
    if config.validation == 0 or config.objective != "classification":
        raise ConfigError(
            "a search chooses by validation accuracy; allowed: validation above 0, classification"
        )

"""tune(): try options on validation images, keep every trial, and write the best ones as a configuration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from convnets.core.display.text_table import aligned
from convnets.core.former_names import current_names
from convnets.core.progress import Progress
from convnets.core.storage.files import write_json, write_text
from convnets.data.image_set import ImageSet, Splits
from convnets.data.sources import load_data
from convnets.errors import ConfigError, RunError, TrainingError, UnknownNameError
from convnets.models.catalogue import model_entry
from convnets.selection.search.journal import Journal, import_optuna, run_trials
from convnets.selection.search.space import Range, Space, default_space
from convnets.training.config import TrainConfig
from convnets.training.events import EpochEnded, Event, Listener
from convnets.training.interruption import INTERRUPTED, TERMINATED
from convnets.training.runs.run_folders import check_output
from convnets.training.train import train

__all__ = ["PRUNERS", "SAMPLERS", "Range", "Search", "Tried", "tune"]

SAMPLERS = ("random", "tpe", "qmc")
PRUNERS = ("none", "median", "hyperband")
RECORD = "search.json"


@dataclass(frozen=True)
class Tried:
    """One trial."""

    number: int
    accuracy: float | None
    """Of its best epoch on validation images; None where it was pruned."""
    options: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Search:
    """The folder of a search."""

    path: Path
    settings: dict[str, Any]
    tried: tuple[Tried, ...]
    """In the order in which they were begun."""
    stopped: str | None = None

    @property
    def best(self) -> Tried:
        """The trial of the highest validation accuracy; RunError before one has ended."""
        ended = [each for each in self.tried if each.accuracy is not None]
        if not ended:
            raise RunError(f"{self.path}: no trial has ended; go on with --resume")
        return max(ended, key=lambda each: each.accuracy or 0.0)

    def toml(self) -> str:
        """The best options as TOML that `convnets train --config` takes; the network's arguments as comments."""
        arguments = self.settings["argument_names"]
        options = {**self.settings["options"], **self.best.options}
        defaults = TrainConfig().to_dict()
        lines = [
            f"# trial {self.best.number} of {len(self.tried)}: {self.best.accuracy:.4f} on validation images"
        ]
        for name, value in options.items():
            if name in arguments:
                lines.append(f"# argument of {self.settings['network']}: {name} = {json.dumps(value)}")
            elif value is not None and value != defaults.get(name):
                lines.append(f"{name} = {json.dumps(value)}")
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rows = [each.__dict__ for each in self.tried]
        return {**self.settings, "stopped": self.stopped, "trials": rows, "best": self.best.number}

    def __str__(self) -> str:
        ranked = sorted(self.tried, key=lambda each: -(each.accuracy or 0.0))[:10]
        names = list(ranked[0].options) if ranked else []
        rows = [
            [
                str(each.number),
                "pruned" if each.accuracy is None else f"{each.accuracy:.4f}",
                *(_shown(each.options.get(name)) for name in names),
            ]
            for each in ranked
        ]
        columns = range(len(names) + 2)
        return f"{len(self.tried)} trials\n\n{aligned(('trial', 'validation', *names), rows, right=columns)}"


def tune(
    network: str,
    data: Splits | ImageSet | str | Path,
    config: TrainConfig | None = None,
    *,
    trials: int = 50,
    minutes: float | None = None,
    sampler: str = "random",
    pruner: str = "none",
    space: Space | None = None,
    output: Path | str = "runs",
    name: str | None = None,
    go_on: bool = False,
    listeners: Sequence[Listener] = (),
    progress: Progress | None = None,
) -> Search:
    """Train `network` with options drawn from `space`, and rank them by accuracy on validation images.

    Test images are taken away before the first trial. Every trial is an ordinary run in `output`/NAME/trials. Several
    processes may work on one search: start the same command again with `go_on`.

    Args:
        config: options that are not tried; its seed draws the validation images, the same in all trials.
        trials: how many in all; `minutes`: begin none after so long.
        sampler: random (Bergstra & Bengio 2012), tpe, or qmc (a Sobol sequence).
        pruner: end trials that lag behind: none, median, or hyperband.

    Raises UsageError without Optuna, and for what is not allowed; RunError for a folder of another search.

    >>> space = {"learning_rate": Range(0.001, 0.1, log=True)}
    >>> found = tune("softmax", "digits", TrainConfig(epochs=1), trials=2, space=space, output=tmp_path)
    >>> len(found.tried)
    2
    """
    config = config or TrainConfig()
    space = default_space(network, config.optimizer) if space is None else space
    _check(network, config, trials, sampler, pruner)
    splits = load_data(data, progress=progress) if isinstance(data, str | Path) else data
    splits = Splits(splits) if isinstance(splits, ImageSet) else splits
    seen = replace(splits, test=None)  # no trial can look at it
    path = Path(output) / (name or f"search-{network}-{Path(splits.source).stem}")
    arguments = [key for key in space if key in model_entry(network).options]
    settings = {
        "network": network,
        "content_hash": {part: images.content_hash() for part, images in seen.parts().items()},
        "options": config.to_dict(),
        "argument_names": arguments,
        "space": {key: [type(part).__name__, str(part)] for key, part in space.items()},
    }
    _begin(path, settings, go_on=go_on)
    journal = Journal(path, _sampler(sampler, config.seed), _pruner(pruner, config.epochs))
    stopped: list[str] = []

    def measure(trial: Any) -> float:
        chosen = {key: part.suggest(trial, key) for key, part in space.items()}
        return _train(trial, chosen, network, seen, config, path, arguments, listeners, stopped)

    try:
        run_trials(journal, measure, trials, None if minutes is None else 60 * minutes)
    except KeyboardInterrupt:
        stopped.append(INTERRUPTED)
    tried = tuple(Tried(each.number, each.value, current_names(each.params)) for each in journal.finished())
    found = Search(path, settings, tried, stopped[0] if stopped else None)
    if any(each.accuracy is not None for each in tried):
        write_text(path / "best.toml", found.toml())
    return found


def _train(
    trial: Any,
    chosen: dict[str, Any],
    network: str,
    splits: Splits,
    config: TrainConfig,
    path: Path,
    arguments: Sequence[str],
    listeners: Sequence[Listener],
    stopped: list[str],
) -> float:
    """The validation accuracy of the best epoch; ends early where the pruner says so."""
    pruned = False

    def watch(event: Event) -> None:
        nonlocal pruned
        if isinstance(event, EpochEnded) and event.validation_accuracy is not None:
            trial.report(event.validation_accuracy, event.epoch)
            if event.epoch < config.epochs and trial.should_prune():
                pruned = True
                raise KeyboardInterrupt

    options = {key: value for key, value in chosen.items() if key not in arguments}
    run = train(
        network,
        splits,
        TrainConfig.from_dict({**config.to_dict(), **options}, "the search"),
        arguments={key: value for key, value in chosen.items() if key in arguments},
        output=path / "trials",
        name=f"trial{trial.number}",
        listeners=[*listeners, watch],
    )
    if pruned:
        raise import_optuna().TrialPruned
    if run.status in (INTERRUPTED, TERMINATED):
        stopped.append(run.status)
        raise KeyboardInterrupt  # its lease ends, and the next one to go on tries it again
    score = run.results.get("validation", {}).get("accuracy")
    if score is None:
        raise TrainingError(f"{run.path} has no validation accuracy; give a validation share above 0")
    return float(score)


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


def _sampler(name: str, seed: int) -> Any:
    samplers = import_optuna().samplers
    if name == "tpe":
        return samplers.TPESampler(seed=None)  # workers must not draw alike
    if name == "qmc":
        return samplers.QMCSampler(seed=seed, warn_independent_sampling=False)
    return samplers.RandomSampler()


def _pruner(name: str, epochs: int) -> Any:
    pruners = import_optuna().pruners
    if name == "median":
        return pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=max(1, epochs // 4))
    return pruners.HyperbandPruner(max_resource=epochs) if name == "hyperband" else pruners.NopPruner()


def _begin(path: Path, settings: dict[str, Any], *, go_on: bool) -> None:
    check_output(path.parent, None if go_on else path.name)
    if not path.exists():
        (path / "trials").mkdir(parents=True)
        write_json(path / RECORD, settings)
        return
    try:
        before = json.loads((path / RECORD).read_text("utf-8"))
        before |= {key: current_names(before[key], str(path / RECORD)) for key in ("options", "space")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise RunError(f"{path} is no search; choose another name") from None
    for key, value in settings.items():
        if before.get(key) != json.loads(json.dumps(value)):
            raise RunError(
                f"{path} was begun with other {key.replace('_', ' ')}; give those, or another name"
            )


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

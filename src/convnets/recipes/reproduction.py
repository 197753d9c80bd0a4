"""Reproduction: what the runs of the notes came to, read from their folders, beside what is published of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convnets.errors import RunError
from convnets.recipes.notes import NOTES, notes_recipe
from convnets.recipes.published import PUBLISHED, Published
from convnets.recipes.reproduction_plan import DATA
from convnets.training.config import TrainConfig
from convnets.training.runs.run import ENDED, Run
from convnets.training.runs.run_folders import find_runs

__all__ = ["NetworkResult", "Reproduction", "RunResult", "Spread", "read_reproduction"]

SCHEMA_VERSION = 1
_CONVENTIONS = {
    "accuracies": "shares from 0 to 1; training: mean over the last epoch while it trains, as the book prints it; "
    "test: once, after the last epoch",
    "loss": "cross-entropy in nats, mean over the last epoch while it trains",
    "images_per_second": "training steps alone, without waiting for data and without evaluation: the book's measure",
    "images_per_second_wall": "training images over the time of the epochs: data, steps, saving",
    "standard_deviation": "of a sample (n − 1); null for one seed",
    "within": "whether our mean lies from the smallest to the largest of the book's builds; "
    "null where epochs or data are not those of the notes",
}


@dataclass(frozen=True)
class Spread:
    """A figure over seeds."""

    values: tuple[float, ...]
    """At least one."""

    @property
    def mean(self) -> float:
        """Arithmetic mean."""
        return statistics.fmean(self.values)

    @property
    def median(self) -> float:
        """Middle value."""
        return statistics.median(self.values)

    @property
    def standard_deviation(self) -> float | None:
        """Of a sample; None for one value.

        >>> Spread((0.8, 0.9)).standard_deviation, Spread((0.8,)).standard_deviation
        (0.07071067811865474, None)
        """
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "n": len(self.values),
            "mean": self.mean,
            "standard_deviation": self.standard_deviation,
            "min": min(self.values),
            "median": self.median,
            "max": max(self.values),
        }


@dataclass(frozen=True)
class RunResult:
    """One run: how it ended and, where it came to its end, what it reached."""

    name: str
    seed: int
    status: str
    epochs_done: int
    environment: dict[str, Any]
    loss: float | None = None
    train_accuracy: float | None = None
    test_accuracy: float | None = None
    images_per_second: float | None = None
    images_per_second_wall: float | None = None
    seconds: float | None = None
    """Of all its epochs, by wall clock."""

    @property
    def ended(self) -> bool:
        """Whether it went to its end, so that its figures count."""
        return self.status in ENDED

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the environment stands in the run's own folder."""
        return {key: value for key, value in vars(self).items() if key != "environment"}


@dataclass(frozen=True)
class NetworkResult:
    """The runs of one network over seeds, and what is published of it."""

    network: str
    config: TrainConfig
    """That of the runs, whose seeds differ."""
    data: str
    runs: tuple[RunResult, ...]
    """By seed; also those that have not ended."""

    @property
    def ended(self) -> tuple[RunResult, ...]:
        """Those runs whose figures count."""
        return tuple(run for run in self.runs if run.ended)

    @property
    def published(self) -> Published:
        """The figures of others."""
        return PUBLISHED[self.network]

    @property
    def recipe_epochs(self) -> int:
        """Epochs that the notes train for."""
        return notes_recipe(self.network).config.epochs

    @property
    def comparable(self) -> bool:
        """Whether epochs and data are those of the published figures."""
        return self.config.epochs == self.recipe_epochs and self.data == DATA

    def spread(self, figure: str) -> Spread | None:
        """A figure of `RunResult` over the runs that ended; None where none did, or none has it."""
        values = [value for run in self.ended if (value := getattr(run, figure)) is not None]
        return Spread(tuple(values)) if values else None

    def within(self) -> list[bool | None]:
        """Whether our mean test accuracy lies in the range of each of the book's kinds of builds; None: unknown."""
        accuracy = self.spread("test_accuracy")
        if accuracy is None or not self.comparable:
            return [None] * len(self.published.book)
        return [builds.holds(accuracy.mean) for builds in self.published.book]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        figures = ("loss", "train_accuracy", "test_accuracy", "images_per_second", "images_per_second_wall")
        spreads = {figure: self.spread(figure) for figure in (*figures, "seconds")}
        return {
            "network": self.network,
            "recipe": f"notes/{self.network}",
            "data": self.data,
            "size": self.config.size,
            "batch_size": self.config.batch_size,
            "learning_rate": self.config.learning_rate,
            "epochs": self.config.epochs,
            "recipe_epochs": self.recipe_epochs,
            "full_length": self.config.epochs == self.recipe_epochs,
            "seeds": len(self.ended),
            "ours": {name: None if each is None else each.to_dict() for name, each in spreads.items()},
            "published": self.published.to_dict(),
            "within": self.within(),
            "runs": [run.to_dict() for run in self.runs],
        }


@dataclass(frozen=True)
class Reproduction:
    """All networks of a reproduction's folder."""

    output: Path
    networks: tuple[NetworkResult, ...]
    """In the order of the notes."""
    stopped: str | None = None
    """`interrupted` or `terminated` where it was asked to end before its last run."""

    @property
    def runs(self) -> list[RunResult]:
        """All runs."""
        return [run for each in self.networks for run in each.runs]

    @property
    def failed(self) -> list[RunResult]:
        """Runs that ended by an error, such as a loss that was no longer finite."""
        return [run for run in self.runs if run.status.startswith("failed")]

    def environments(self) -> list[tuple[dict[str, Any], list[str]]]:
        """The conditions that runs which ended share, and the names of those runs."""
        found: list[tuple[dict[str, Any], list[str]]] = []
        for run in self.runs:
            if not run.ended:
                continue
            conditions = _conditions(run.environment)
            same = next((names for known, names in found if known == conditions), None)
            if same is None:
                found.append((conditions, same := []))
            same.append(run.name)
        return found

    def dates(self) -> tuple[str, str] | None:
        """Days on which the first and the last run that ended were started."""
        days = sorted(str(run.environment.get("started", ""))[:10] for run in self.runs if run.ended)
        return (days[0], days[-1]) if days else None

    def commands(self) -> list[str]:
        """The commands that started the runs which ended, each once."""
        found = [" ".join(map(str, run.environment.get("command", []))) for run in self.runs if run.ended]
        return list(dict.fromkeys(found))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "dates": self.dates(),
            "commands": self.commands(),
            "environments": [{**known, "runs": names} for known, names in self.environments()],
            "conventions": _CONVENTIONS,
            "networks": [each.to_dict() for each in self.networks],
        }


def read_reproduction(output: Path | str) -> Reproduction:
    """What lies in the folder of a reproduction, read from the runs' own files.

    Raises RunError where the runs of a network differ in more than their seeds.
    """
    output = Path(output)
    by_network: dict[str, list[tuple[int, Run]]] = {name: [] for name in NOTES}
    for run in find_runs(output / "runs"):
        network, _, seed = run.name.rpartition("-")
        if network in by_network and seed.isdecimal():
            by_network[network].append((int(seed), run))
    networks = [_network(name, sorted(runs, key=_seed)) for name, runs in by_network.items() if runs]
    return Reproduction(output, tuple(networks))


def _seed(pair: tuple[int, Run]) -> int:
    return pair[0]


def _network(name: str, runs: Sequence[tuple[int, Run]]) -> NetworkResult:
    first = runs[0][1]
    for seed, run in runs:
        check_same_run(run, first.config, first.settings["data"], seed)
    results = tuple(_run(seed, run) for seed, run in runs)
    data = str(first.settings["data"].get("name") or first.data_name)
    return NetworkResult(name, first.config, data, results)


def check_same_run(run: Run, config: TrainConfig, data: dict[str, Any], seed: int) -> None:
    """Refuse a run that was not trained by the options of `config` from `seed`, on `data`: RunError names the first."""
    found, wanted = run.config.to_dict(), {**config.to_dict(), "seed": seed}
    differences = [(key, found[key], wanted[key]) for key in wanted if found[key] != wanted[key]]
    theirs = run.settings["data"]
    differences += [
        (f"data {key}", theirs.get(key), data[key]) for key in data if theirs.get(key) != data[key]
    ]
    if differences:
        key, was, now = differences[0]
        raise RunError(
            f"{run.path} was trained with {key} {was!r:.80}, and now it is {now!r:.80}; give the options that it was "
            "trained with, or another --output"
        )


def _run(seed: int, run: Run) -> RunResult:
    """Refuses a run that ended and lacks its figures."""
    rows, status = run.metrics, run.status
    if status not in ENDED:
        return RunResult(run.name, seed, status, len(rows), run.environment)
    if not rows:
        raise RunError(f"{run.path} has ended and its metrics.csv is empty; remove the run to train it again")
    seconds = _total(rows, lambda row: row["seconds"])
    images = _total(rows, lambda row: row["seconds"] * row["images_per_second_wall"])
    training = _total(
        rows, lambda row: row["seconds"] * row["images_per_second_wall"] / row["images_per_second"]
    )
    return RunResult(
        name=run.name,
        seed=seed,
        status=status,
        epochs_done=len(rows),
        environment=run.environment,
        loss=rows[-1]["train_loss"],
        train_accuracy=rows[-1]["train_accuracy"],
        test_accuracy=run.results.get("test", {}).get("accuracy"),
        images_per_second=images / training,
        images_per_second_wall=images / seconds,
        seconds=seconds,
    )


def _total(rows: Sequence[dict[str, float | None]], figure: Callable[[dict[str, Any]], float]) -> float:
    return math.fsum(figure(row) for row in rows)


_SHARED = ("hardware", "processor", "cores", "threads", "precision", "platform", "processes", "versions")


def _conditions(environment: dict[str, Any]) -> dict[str, Any]:
    return {key: environment.get(key) for key in _SHARED}

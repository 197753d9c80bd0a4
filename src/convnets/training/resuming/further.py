"""What a call of `train` leaves out, taken from the run that it starts from: network, images and options."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from convnets.data.image_set import ImageSet, Splits
from convnets.errors import ConfigError, UsageError
from convnets.series.examples import ExampleSet
from convnets.training.config import TrainConfig
from convnets.training.preparation.starting_weights import Start
from convnets.training.resuming.going_on import images_of
from convnets.training.runs.run import Run

__all__ = ["Asked", "complete", "run_at"]


_SHOWN = 6  # options that are told of


@dataclass(frozen=True)
class Asked:
    """What is to be trained on what, how, and from which weights."""

    data: Splits | ImageSet | ExampleSet | str | Path
    config: TrainConfig
    start: Start | None
    """Weights in memory; a path stands in the options."""
    notices: tuple[str, ...] = ()
    """What was taken from the run."""


def complete(
    data: Splits | ImageSet | ExampleSet | str | Path | None,
    config: TrainConfig | None,
    start: Run | Start | None,
) -> Asked:
    """Paths of starting weights go into the options; without `data` the run that is started from is trained further.

    Then its images are taken, and its options too where there are none. Raises UsageError where there is no such run,
    RunError where its images came from memory or are gone, ConfigError for two different starts.
    """
    path = start.path if isinstance(start, Run) else start
    given = config or TrainConfig()
    if isinstance(path, Path | str):
        if given.start not in (None, str(path)):
            raise ConfigError(f"start is {path} and {given.start} in the options; give one of them")
        given, path = replace(given, start=str(path)), None
    elif path is not None and given.start is not None:
        raise ConfigError(f"start is given, and {given.start} in the options; give one of them")
    if data is not None:
        return Asked(data, given, path)
    run = None if given.start is None else run_at(given.start)
    if run is None:
        raise UsageError(
            "no data; give a data set's name, or a folder or zip of pictures"
            + ("" if given.start is None else f": {given.start} is no run, and does not say which to take")
        )
    source = images_of(run)
    if config is None:
        given = replace(run.config, start=given.start)
    return Asked(
        source, given, path, (f"{run.path} is trained further, on its images{_differing(run, given)}",)
    )


def _differing(run: Run, config: TrainConfig) -> str:
    """How the options differ from those of the run."""
    before, now = run.config.to_dict(), config.to_dict()
    changed = [f"{key} {now[key]!r}" for key in now if key != "start" and now[key] != before[key]]
    if not changed:
        return ", with its options"
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return f", with its options but for {', '.join(changed[:_SHOWN])}{more}"


def run_at(start: str | Path) -> Run | None:
    """The run whose directory `start` is; None for any other folder or file."""
    path = Path(start).expanduser()
    return Run(path) if (path / "environment.json").is_file() and (path / "config.json").is_file() else None

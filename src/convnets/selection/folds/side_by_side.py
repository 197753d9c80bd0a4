"""Folds side by side: each in a process of its own, with its share of the cores."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from convnets.core.hardware import usable_cores
from convnets.core.progress import Progress
from convnets.data.image_set import Splits
from convnets.errors import ConfigError, RunError
from convnets.series.examples import ExampleSet
from convnets.training.config import TrainConfig
from convnets.training.events import Listener
from convnets.training.interruption import INTERRUPTED, TERMINATED
from convnets.training.runs.run import ENDED, Run
from convnets.training.train import train

__all__ = ["PlannedFold", "begun_with", "check_jobs", "fair_share", "train_fold", "work_side_by_side"]

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True, eq=False)
class PlannedFold:
    """All that a process needs to train a fold."""

    name: str
    output: Path
    network: str
    examples: Splits | ExampleSet
    """Images: what it learns from, chooses its epoch by, and, as `test`, is judged on. Else what it learns from."""
    config: TrainConfig
    arguments: dict[str, Any]


def train_fold(
    planned: PlannedFold, listeners: Sequence[Listener] | None = None, progress: Progress | None = None
) -> str:
    """Train it, go on with it, or leave it as it is where it has ended; returns the run's status."""
    path = planned.output / planned.name
    if path.exists() and Run(path).status in ENDED:
        return Run(path).status
    try:
        run = train(
            planned.network,
            planned.examples,
            begun_with(planned),
            output=planned.output,
            name=planned.name,
            go_on=True,
            arguments=planned.arguments,
            listeners=listeners,
            progress=progress,
        )
    except KeyboardInterrupt:  # before there was a run that could have been saved
        return INTERRUPTED
    return run.status


def begun_with(planned: PlannedFold) -> TrainConfig:
    """The fold's options; the number of threads is that of its run, where there is one, so that it goes on exactly."""
    path = planned.output / planned.name
    if not (path / "config.json").exists():
        return planned.config
    return replace(planned.config, threads=Run(path).config.threads)


def check_jobs(jobs: int) -> None:
    """Raise ConfigError for fewer than 1."""
    if jobs < 1:
        raise ConfigError(f"jobs is {jobs}; allowed: 1 or more")


def fair_share(config: TrainConfig, jobs: int) -> TrainConfig:
    """The options of one of `jobs` folds side by side: with its share of the cores, where no number was asked for."""
    if jobs == 1 or config.threads is not None:
        return config
    return replace(config, threads=max(1, usable_cores() // jobs))


def work_side_by_side(
    work: Callable[[Item], Outcome],
    items: Sequence[Item],
    jobs: int,
    status_of: Callable[[Outcome], str],
    progress: Progress | None = None,
    imports: Sequence[str] = (),
) -> tuple[list[Outcome | None], str | None]:
    """`work` on `jobs` of the items at a time, in processes of their own; all of them will need the modules `imports`.

    Returns what came of each, None where it was not begun or stopped, and why it was stopped, if it was. Ctrl-C
    reaches the processes too, each of which saves its run at the next step. Raises what `work` raises, and RunError
    where a process died.
    """
    found: list[Outcome | None] = [None] * len(items)
    with _processes(jobs, imports) as pool:
        try:
            waiting = {pool.submit(work, item): place for place, item in enumerate(items)}
            for done, finished in enumerate(as_completed(waiting), 1):
                outcome = finished.result()
                if status_of(outcome) in (INTERRUPTED, TERMINATED):
                    pool.shutdown(wait=False, cancel_futures=True)
                    return found, status_of(outcome)
                found[waiting[finished]] = outcome
                if progress is not None:
                    progress("folds", done, len(items))
        except KeyboardInterrupt:
            pool.shutdown(wait=True, cancel_futures=True)
            return found, INTERRUPTED
        except BrokenProcessPool:
            raise RunError(
                "a process that trained a fold died: out of memory, or called by a script without "
                f"if __name__ == '__main__'; go on with --resume and fewer than {jobs} jobs"
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found, None


def _processes(jobs: int, imports: Sequence[str]) -> ProcessPoolExecutor:
    """On Linux all are forked from one that has done the imports, which take seconds of a core, once for all.

    (Elsewhere not everything that libraries begin as they load outlives a fork.) That one process stays, so the
    variables of the environment are those of the call.
    """
    context: multiprocessing.context.BaseContext = multiprocessing.get_context("spawn")
    if sys.platform == "linux":
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, *imports])
    return ProcessPoolExecutor(jobs, context, initializer=_take_environment, initargs=(dict(os.environ),))


def _take_environment(variables: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)

"""Folds side by side: each in a process of its own, with its share of the cores."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convnets.core.progress import Progress
from convnets.data.image_set import Splits
from convnets.training.config import TrainConfig
from convnets.training.events import Listener
from convnets.training.interruption import INTERRUPTED, TERMINATED
from convnets.training.runs.run import ENDED, Run
from convnets.training.train import train

__all__ = ["PlannedFold", "train_fold", "train_folds"]


@dataclass(frozen=True, eq=False)
class PlannedFold:
    """All that a process needs to train a fold."""

    name: str
    output: Path
    network: str
    splits: Splits
    """What it learns from, chooses its epoch by, and, as `test`, is judged on."""
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
            planned.splits,
            planned.config,
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


def train_folds(planned: Sequence[PlannedFold], jobs: int, progress: Progress | None) -> str | None:
    """Train `jobs` of them at a time; returns why it was stopped, if it was.

    Ctrl-C reaches the processes too, each of which saves its run at the next step.
    """
    stopped, done = None, 0
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(train_fold, each, ()) for each in planned]
        try:
            for finished in as_completed(waiting):
                status = finished.result()
                done += 1
                if progress is not None:
                    progress("folds", done, len(planned))
                if status in (INTERRUPTED, TERMINATED):
                    stopped = status
                    pool.shutdown(wait=False, cancel_futures=True)
                    break
        except KeyboardInterrupt:
            stopped = INTERRUPTED
            pool.shutdown(wait=True, cancel_futures=True)
    return stopped

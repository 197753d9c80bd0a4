"""reproduce(): train the runs of the notes over seeds, and set what comes of them beside what was published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from convnets.core.distributed.process_group import size_in_environment
from convnets.core.progress import Progress
from convnets.core.storage.files import atomic_path, write_json, write_text
from convnets.data.catalogue import list_data
from convnets.data.shards.paths import lasting_pattern
from convnets.errors import RunError, TrainingError, UsageError
from convnets.recipes.reproduction import Reproduction, check_same_run, read_reproduction
from convnets.recipes.reproduction_plan import DATA, PlannedRun, plan_runs
from convnets.training.events import Listener
from convnets.training.interruption import INTERRUPTED, TERMINATED
from convnets.training.runs.run import ENDED, Run
from convnets.training.runs.run_folders import check_output, find_runs
from convnets.training.train import train

__all__ = ["reproduce"]


def reproduce(
    networks: str | Sequence[str] | None = None,
    *,
    seeds: int | Sequence[int] | None = None,
    epochs: int | None = None,
    data: str = DATA,
    options: Mapping[str, Any] | None = None,
    output: Path | str = "reproduction",
    go_on: bool = False,
    listeners: Sequence[Listener] | None = None,
    progress: Progress | None = None,
) -> Reproduction:
    """Train networks by their recipes of the notes from several seeds, and compare with the published figures.

    Each run is an ordinary run in `output`/runs, named by network and seed. After each of them reproduction.md, .json,
    .svg and .png are written anew in `output` from the files of all runs that are there.

    Args:
        networks: names, or one; all eight of the notes where none is given.
        seeds: how many, from 0 on, or the seeds themselves; by default 10 for `lenet` and `lenet_bn`, 3 for others.
        epochs: in place of the recipe's ten; the results say so.
        data: in place of Fashion-MNIST, for trying.
        options: of a run, what says where and how it is computed: device, precision, threads, deterministic, fast.
        output: a folder that is not there yet, or is empty.
        go_on: the folder may be there: runs that have ended are kept, one that was stopped goes on exactly.
        listeners: who hears the events of each run; by default a live figure in a notebook, else rows in the terminal.
        progress: who hears of downloads and decoding.

    Ctrl-C or SIGTERM saves the run at its next step and ends the reproduction; `stopped` says so. A run that ends by
    a TrainingError is listed as `failed`, and the others go on. Raises UsageError, DataError, and RunError for a folder
    that holds something else or runs by other options.

    >>> found = reproduce("lenet", seeds=1, epochs=1, data="digits", output=tmp_path / "small", listeners=())
    >>> found.networks[0].network, len(found.networks[0].ended), found.stopped
    ('lenet', 1, None)
    """
    plan = plan_runs(networks, seeds=seeds, epochs=epochs, data=data, options=options)
    if size_in_environment() > 1:
        raise UsageError(
            f"{size_in_environment()} processes would train the same runs; start one, or train a recipe by several: "
            "torchrun … convnets train --recipe notes/lenet"
        )
    output = Path(output)
    _check_folder(output, go_on=go_on)
    _check_runs(output, plan)
    stopped = None
    for planned in plan:
        if _has_ended(output, planned):
            continue
        stopped = _train(output, planned, listeners, progress)
        _write(read_reproduction(output))
        if stopped is not None:
            break
    found = replace(read_reproduction(output), stopped=stopped)
    _write(found)
    return found


def _check_folder(output: Path, *, go_on: bool) -> None:
    check_output(output, None)
    if not output.is_dir() or not any(output.iterdir()):
        return
    if not (output / "runs").is_dir():
        raise RunError(f"{output} holds other files and no reproduction; choose another --output")
    if not go_on:
        raise RunError(
            f"{output} holds a reproduction; continue it with --resume, or choose another --output"
        )


def _check_runs(output: Path, plan: Sequence[PlannedRun]) -> None:
    """Refuse runs of the same networks, from whichever seed, that the plan would train otherwise."""
    wanted = {planned.network: planned for planned in plan}
    for run in find_runs(output / "runs"):
        network, _, seed = run.name.rpartition("-")
        if network in wanted and seed.isdecimal():
            planned = wanted[network]
            check_same_run(run, planned.config, {"name": _lasting_name(planned.data)}, int(seed))


def _lasting_name(data: str) -> str:
    """As a run's settings name its data, wherever it was started."""
    return data if data in {entry.name for entry in list_data()} else lasting_pattern(data)


def _has_ended(output: Path, planned: PlannedRun) -> bool:
    path = output / "runs" / planned.name
    return path.exists() and Run(path).status in ENDED


def _train(
    output: Path, planned: PlannedRun, listeners: Sequence[Listener] | None, progress: Progress | None
) -> str | None:
    """Train it, or go on with it; why the reproduction is to end, if it is."""
    try:
        run = train(
            planned.network,
            planned.data,
            planned.config,
            output=output / "runs",
            name=planned.name,
            go_on=True,
            listeners=listeners,
            progress=progress,
        )
    except TrainingError:
        if not (output / "runs" / planned.name).is_dir():
            raise
        return None  # the run's own folder says how it failed; the next seed may do better
    except KeyboardInterrupt:  # before there was a run that could have been saved
        return INTERRUPTED
    return run.status if run.status in (INTERRUPTED, TERMINATED) else None


def _write(found: Reproduction) -> None:
    if not found.runs:
        return
    from convnets.recipes.reproduction_chart import reproduction_figure, reproduction_svg
    from convnets.recipes.reproduction_text import markdown

    output = found.output
    write_json(output / "reproduction.json", found.to_dict())
    write_text(output / "reproduction.md", markdown(found))
    if not any(each.ended for each in found.networks):
        return
    write_text(output / "reproduction.svg", reproduction_svg(found))
    with atomic_path(output / "reproduction.png") as path:
        reproduction_figure(found).savefig(path, format="png", dpi=150, facecolor="white")

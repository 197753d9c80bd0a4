"""Going on with a run: what it needs of its beginning, where its state stands, and when there is nothing left to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from convnets.checkpoints.given_weights import MEMORY, read_weights
from convnets.checkpoints.state_folder import StateFolder
from convnets.checkpoints.training_state import TrainingState
from convnets.core.distributed.process_group import ProcessGroup
from convnets.core.environment import describe_environment, environment_changes
from convnets.data.shards.paths import is_shard_pattern
from convnets.errors import ModelFolderError, RunError
from convnets.training.config import TrainConfig
from convnets.training.distributed.ranks import Beginning
from convnets.training.events import Listener, Notice
from convnets.training.listeners.choose import default_listeners
from convnets.training.preparation.starting_weights import Start, StartRecord
from convnets.training.runs.run import ENDED, Run
from convnets.training.runs.run_folders import find_begun
from convnets.training.tables.table_task import TableTask
from convnets.training.task import Task

__all__ = [
    "begun_from_what_is_gone",
    "check_images",
    "go_on",
    "images_of",
    "leave_as_it_is",
    "start_of",
    "told_of_start",
]


def go_on(run: Run, task: Task | TableTask, group: ProcessGroup) -> Beginning:
    """Where `run` goes on: at its last save, with its files set back to it; nowhere where it has ended.

    Raises RunError where it cannot go on exactly, or another process trains it.
    """
    if run.status in ENDED:
        return Beginning(run, TrainingState(world_size=group.size), over=run.status)
    saved, state, learner = StateFolder(run.state_folder), TrainingState(world_size=group.size), None
    if saved.exists():  # else the run was stopped before its first save, and begins anew
        state, learner = saved.load(task.hardware.device)
    if state.world_size != group.size:
        raise RunError(
            f"{run.path} was trained by {_processes(state.world_size)}, now there {_are(group.size)}, which could "
            f"not go on exactly; start {_processes(state.world_size)}, or train under another name"
        )
    changes = environment_changes(run.environment, describe_environment(task.hardware))
    notices = [] if saved.exists() else told_of_start(task)
    notices += [f"going on where {change}: results may differ in their last bits" for change in changes]
    with run.claimed():  # else the files of a run that is going on would be set back before it is refused
        run.go_back_to(state)
        if task.data["name"] not in (None, run.settings["data"]["name"]):
            notices.append(f"the images are now those of {task.data['name']}, which are the same")
            run.move_data(task.data["name"], task.data["source"])
    return Beginning(run, state, learner, notices)


def told_of_start(task: Task | TableTask) -> list[str]:
    """What is said of starting weights where a run begins; one that goes on has weights of its own."""
    return [] if task.start is None else list(task.start.notices)


def leave_as_it_is(run: Run, listeners: Sequence[Listener] | None) -> Run:
    """Tell that a run has ended, which is all that is left to do; returns it."""
    message = f"{run.path} has ended ({run.status}); nothing is left to do"
    for listener in default_listeners() if listeners is None else listeners:
        listener(Notice(message))
    return run


def start_of(run: Run) -> StartRecord | Path | None:
    """What a run needs of the trained weights that it started from: its record, for they are in its state.

    A run that was cut off before its first save begins anew and needs the weights themselves. Raises RunError where
    these are not there any more.
    """
    if run.settings.get("start") is None:
        return None
    record = StartRecord.from_dict(run.settings["start"])
    if StateFolder(run.state_folder).exists():
        return record
    cut_off = f"{run.path} was cut off before its first save, and the weights that it started from"
    if record.source == MEMORY:
        raise RunError(f"{cut_off} came from memory; train again with train(…, start=…)")
    try:
        found = read_weights(record.source)
    except ModelFolderError as error:
        raise RunError(f"{cut_off} cannot be read ({error}); train again") from None
    if found.sha256 != record.sha256:
        raise RunError(f"{cut_off}, {record.source}, have changed since; train again")
    return Path(record.source)


def begun_from_what_is_gone(
    output: Path | str,
    name: str | None,
    network: object,
    config: TrainConfig | None,
    start: Run | Start | None,
) -> Run | None:
    """The run that this very call began from weights that are not there any more; it goes on without them."""
    config = config or TrainConfig()
    path = start if isinstance(start, Path | str) else config.start
    if path is None or Path(path).expanduser().exists():
        return None
    found = find_begun(output, name, replace(config, start=str(path)))
    if found is None or (isinstance(network, str) and network != found.network_name):
        return None
    return found


def images_of(run: Run) -> str:
    """What a run's images are called, or where they lie. Raises RunError for images from memory, or that are gone."""
    source = run.settings["data"]["name"]
    if source is None:
        raise RunError(f"{run.path} was trained on data from memory; pass them as data=…")
    if Path(source).is_absolute() and not is_shard_pattern(source) and not Path(source).exists():
        raise RunError(
            f"the images of {run.path} are not at {source} any more; say where they are with --data, or data=…"
        )
    return str(source)


def check_images(run: Run, task: Task | TableTask, *, moved: bool) -> None:
    """Raise RunError unless the task's images are those that the run was started on, to the bit."""
    if task.data["content_hash"] == run.settings["data"]["content_hash"]:
        return
    if not moved:
        raise RunError(
            f"{run.path}: the images of {task.data['source']} have changed since; train under another name"
        )
    raise RunError(
        f"{run.path} was trained on {run.data_name}, and the images of {task.data['source']} are not the same; give "
        f"the place that they were moved to, or start from it on others: --from {run.path} --data …"
    )


def _processes(count: int) -> str:
    return f"{count} process{'es' * (count != 1)}"


def _are(count: int) -> str:
    return "is 1" if count == 1 else f"are {count}"

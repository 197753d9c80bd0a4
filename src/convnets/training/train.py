"""train() and resume(): from a network and images to a run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convnets.checkpoints.state_folder import StateFolder
from convnets.checkpoints.training_state import TrainingState
from convnets.core.environment import describe_environment, environment_changes
from convnets.core.world import World, join_world
from convnets.data.batches import check_share
from convnets.data.image_set import ImageSet, Splits
from convnets.errors import RunError
from convnets.training.config import TrainConfig
from convnets.training.determinism import deterministic_algorithms
from convnets.training.events import Listener
from convnets.training.execution import execute
from convnets.training.ranks import Beginning, begin_together, here, trains_on_cuda
from convnets.training.run import ENDED, Run
from convnets.training.run_folders import check_output, create_run, find_run
from convnets.training.task import BatchFunction, Progress, Task, prepare

__all__ = ["resume", "train"]

RUN_VERSION = 1


def train(
    network: nn.Module | str,
    data: Splits | ImageSet | str | Path,
    config: TrainConfig | None = None,
    *,
    output: Path | str = "runs",
    name: str | None = None,
    go_on: bool = False,
    arguments: dict[str, Any] | None = None,
    augment: Sequence[BatchFunction] = (),
    listeners: Sequence[Listener] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Train `network` on `data` and leave a run under `output`.

    Args:
        network: a network, or its name in the catalogue; a name is built for the data's channels and classes.
        data: Splits, an ImageSet (a validation part is split off), a data set's name, or a folder or zip.
        config: the options; `TrainConfig()` without.
        output: the folder that runs lie in.
        name: the run's name; by default network, data and a number.
        go_on: go on with the newest run under `output` of the same network, data and options that was stopped
            before its end (with `name`: with that run), and start one where there is none.
        arguments: further arguments of `create_model`, for a network given by name.
        augment: callables on batches, images float N×C×H×W in [0, 1] → the same, after the options' augmentations.
        listeners: who hears the events; by default a live figure in a notebook, else rows in the terminal.
        progress: who hears of downloads and decoding.

    Returns the run; `run.status` says why it ended. Raises UsageError, DataError, RunError or TrainingError.
    Ctrl-C or SIGTERM saves the run at the next step and leaves it usable; a second Ctrl-C ends it at once.

    >>> run = train("mlp", "digits", TrainConfig(epochs=1), output=tmp_path, listeners=())
    >>> run.status
    'finished'
    """
    config = config or TrainConfig()
    with _as_asked(config), join_world(config.rank_timeout, cuda=trains_on_cuda(config)) as world:
        with world.together("prepared"):
            if world.first:
                check_output(output, None if go_on else name)
            task = prepare(
                network,
                data,
                here(config, world),
                arguments=arguments,
                augment=augment,
                progress=progress if world.first else None,
            )
            check_share(config.batch_size, len(task.train), world.size)

        def begin() -> Beginning:
            settings = _settings(task, config, world)
            stopped = find_run(output, name, settings) if go_on else None
            if stopped is not None:
                return _go_on(stopped, task, world)
            run = create_run(output, name, _default_name(task), settings)
            run.write_metrics([])
            return Beginning(run, TrainingState(world_size=world.size))

        return execute(task, config, begin_together(world, begin), world, listeners)


def resume(
    run: Run | Path | str,
    *,
    network: nn.Module | None = None,
    data: Splits | ImageSet | str | Path | None = None,
    augment: Sequence[BatchFunction] = (),
    listeners: Sequence[Listener] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Go on with a run at the step after its last save, to the very weights that it would have reached unstopped.

    A run on data from memory needs them again as `data`, a network from outside the catalogue as `network`, and
    a run with callables of its own as augmentations needs these as `augment`.
    Raises RunError when the run is finished already or its data have changed.
    """
    run = run if isinstance(run, Run) else Run(run)
    config, settings = run.config, run.settings
    if run.status in ENDED:
        raise RunError(
            f"{run.path} has ended ({run.status}); there is nothing to go on with. Train under another name"
        )
    known = settings["network"]
    source = data if data is not None else settings["data"]["name"]
    if source is None or (network is None and known["arguments"] is None):
        missing = "data" if source is None else "network"
        raise RunError(f"{run.path} was trained on {missing} from memory; pass it: resume(run, {missing}=…)")
    chosen = known["name"] if network is None else network
    with _as_asked(config), join_world(config.rank_timeout, cuda=trains_on_cuda(config)) as world:
        with world.together("prepared"):
            task = prepare(
                chosen,
                source,
                here(config, world),
                arguments=known["arguments"],
                augment=augment,
                progress=progress if world.first else None,
            )
            if task.data["content_hash"] != settings["data"]["content_hash"]:
                raise RunError(
                    f"{run.path}: the images of {task.data['source']} have changed since; train under another name"
                )
        beginning = begin_together(world, lambda: _go_on(run, task, world))
        return execute(task, config, beginning, world, listeners)


@contextlib.contextmanager
def _as_asked(config: TrainConfig) -> Iterator[None]:
    """PyTorch's switches as the run needs them, whatever the caller's block is in, such as `torch.no_grad()`."""
    with torch.inference_mode(False), torch.enable_grad(), deterministic_algorithms(config.deterministic):
        yield


def _go_on(run: Run, task: Task, world: World) -> Beginning:
    saved, state, learner = StateFolder(run.state_folder), TrainingState(world_size=world.size), None
    if saved.exists():  # else the run was stopped before its first save, and begins anew
        state, learner = saved.load(task.hardware.device)
    if state.world_size != world.size:
        raise RunError(
            f"{run.path} was trained by {_processes(state.world_size)}, now there {_are(world.size)}, which could "
            f"not go on exactly; start {_processes(state.world_size)}, or train under another name"
        )
    changes = environment_changes(run.environment, describe_environment(task.hardware))
    with run.claimed():  # else the files of a run that is going on would be set back before it is refused
        run.go_back_to(state)
    notices = [f"going on where {change}: results may differ in their last bits" for change in changes]
    return Beginning(run, state, learner, notices)


def _processes(count: int) -> str:
    return f"{count} process{'es' * (count != 1)}"


def _are(count: int) -> str:
    return "is 1" if count == 1 else f"are {count}"


def _default_name(task: Task) -> str:
    data = Path(task.data["name"] or task.data["source"]).stem
    plain = "".join(
        c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in f"{task.network_name}-{data}"
    )
    return plain[:100].strip("-.") or "run"


def _settings(task: Task, config: TrainConfig, world: World) -> dict[str, Any]:
    known = getattr(task.network, "architecture", None)
    return {
        "format_version": RUN_VERSION,
        "network": {
            "name": task.network_name,
            "arguments": None if known is None else dict(known.arguments),
            "parameters": sum(p.numel() for p in task.network.parameters()),
        },
        "data": task.data,
        "options": config.to_dict(),
        "environment": {
            **describe_environment(task.hardware),
            "processes": world.size,
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        },
    }

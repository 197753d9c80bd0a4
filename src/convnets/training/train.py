"""train() and resume(): from a network and images, or a table, to a run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convnets.checkpoints.training_state import TrainingState
from convnets.core.distributed.join import join_process_group
from convnets.core.distributed.process_group import ProcessGroup, rank_in_environment
from convnets.core.environment import describe_environment
from convnets.core.progress import Progress
from convnets.data.batches import check_share
from convnets.data.image_set import ImageSet, Splits
from convnets.errors import ConfigError, RunError
from convnets.series.examples import ExampleSet
from convnets.training.config import TrainConfig
from convnets.training.distributed.ranks import Beginning, begin_together, config_for_rank, trains_on_cuda
from convnets.training.events import Listener
from convnets.training.execution import execute
from convnets.training.preparation.determinism import deterministic_algorithms
from convnets.training.preparation.starting_weights import Start, StartRecord
from convnets.training.resuming.further import complete
from convnets.training.resuming.going_on import (
    begun_from_what_is_gone,
    check_images,
    images_of,
    leave_as_it_is,
    start_of,
    told_of_start,
)
from convnets.training.resuming.going_on import go_on as go_on_with
from convnets.training.runs.run import ENDED, Run
from convnets.training.runs.run_folders import check_output, create_run, find_run
from convnets.training.tables.table_task import TableTask, prepare_table, table_again
from convnets.training.task import BatchFunction, Task, prepare

__all__ = ["resume", "train"]

RUN_VERSION = 1


def train(
    network: nn.Module | str | None = None,
    data: Splits | ImageSet | ExampleSet | str | Path | None = None,
    config: TrainConfig | None = None,
    *,
    start: Run | Start | None = None,
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
        network: a network, or its name in the catalogue; a name is built for the data's channels and classes. Without
            it the network of `start`.
        data: Splits, an ImageSet (a validation part is split off), a data set's name, a folder or zip, or a ExampleSet
            (see `load_table`), of whose rows a share is split off to choose the best epoch by. Without it
            the run of `start` is trained further: on its images, and by its options where `config` is left out too.
        config: the options; `TrainConfig()` without.
        start: trained weights to start from: a run, a model folder, a .safetensors or .pth file, a TrainedModel, a
            network or a state dict; a path may stand in the options instead (`TrainConfig(start=…)`). The last layer
            is new where the classes are others, and the first is changed to the images' channels.
        output: the folder that runs lie in.
        name: the run's name; by default network, data and a number.
        go_on: go on with the newest run under `output` of the same network, data and options that was stopped
            before its end, and start one where there is none; with `name`: with that run, which is left as it is
            where it has ended.
        arguments: further arguments of `create_model`, for a network given by name.
        augment: callables on batches, images float N×C×H×W in [0, 1] → the same, after the options' augmentations.
        listeners: who hears the events; by default a live figure in a notebook, else rows in the terminal.
        progress: who hears of downloads and decoding.

    Returns the run; `run.status` says why it ended. Raises UsageError, DataError, RunError, TrainingError, or
    ModelFolderError for starting weights that do not fit.
    Ctrl-C or SIGTERM saves the run at the next step and leaves it usable; a second Ctrl-C ends it at once.

    >>> run = train("mlp", "digits", TrainConfig(epochs=1), output=tmp_path, listeners=())
    >>> run.status
    'finished'
    >>> train(start=run, config=TrainConfig(epochs=1), output=tmp_path, listeners=()).settings["start"]["network"]
    'mlp'
    """
    begun = begun_from_what_is_gone(output, name, network, config, start) if go_on else None
    if begun is not None:
        if begun.status in ENDED:
            return leave_as_it_is(begun, listeners if rank_in_environment() == 0 else ())
        given = network if isinstance(network, nn.Module) else None
        return resume(
            begun, network=given, data=data, augment=augment, listeners=listeners, progress=progress
        )
    asked = complete(data, config, start)
    config = asked.config
    with _as_asked(config), join_process_group(config.rank_timeout, cuda=trains_on_cuda(config)) as group:
        with group.raise_on_all_ranks("prepared"):
            if group.first:
                check_output(output, None if go_on else name)
            task = _prepared(
                network,
                asked.data,
                config_for_rank(config, group),
                arguments=arguments,
                augment=augment,
                progress=progress if group.first else None,
                start=asked.start,
            )
            check_share(config.batch_size, len(task.train), group.size)

        def begin() -> Beginning:
            settings = _settings(task, config, group)
            stopped = find_run(output, name, settings) if go_on else None
            if stopped is not None:
                return go_on_with(stopped, task, group)
            run = create_run(output, name, _default_name(task), settings)
            run.write_metrics([])
            notices = [*asked.notices, *told_of_start(task)]
            return Beginning(run, TrainingState(world_size=group.size), notices=notices)

        beginning = begin_together(group, begin)
        if beginning.over:
            return leave_as_it_is(beginning.run, listeners if group.first else ())
        return execute(task, config, beginning, group, listeners)


def resume(
    run: Run | Path | str,
    *,
    network: nn.Module | None = None,
    data: Splits | ImageSet | ExampleSet | str | Path | None = None,
    augment: Sequence[BatchFunction] = (),
    listeners: Sequence[Listener] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Continue a run at the step after its last save, with exactly the weights of an uninterrupted run.

    A run on data from memory needs them again as `data`, a network from outside the catalogue as `network`, and
    a run with callables of its own as augmentations needs these as `augment`. Where a run's pictures were moved,
    `data` is where they are now. Trained weights that it started from are not needed any more.
    Raises RunError when the run is finished already or its data have changed.
    """
    run = run if isinstance(run, Run) else Run(run)
    config, settings = run.config, run.settings
    if run.status in ENDED:
        raise RunError(
            f"{run.path} has ended ({run.status}); there is nothing to go on with. To train it further: "
            f"convnets train --from {run.path} --epochs {config.epochs}, or in Python train(start=…)"
        )
    known = settings["network"]
    if network is None and known["arguments"] is None:
        raise RunError(f"{run.path} was trained on a network from memory; pass it: resume(run, network=…)")
    source = images_of(run) if data is None else data
    if isinstance(source, str | Path):
        source = table_again(settings["data"], source) or source
    chosen = known["name"] if network is None else network
    with _as_asked(config), join_process_group(config.rank_timeout, cuda=trains_on_cuda(config)) as group:
        with group.raise_on_all_ranks("prepared"):
            task = _prepared(
                chosen,
                source,
                config_for_rank(config, group),
                arguments=known["arguments"],
                augment=augment,
                progress=progress if group.first else None,
                start=start_of(run),
            )
            check_images(run, task, moved=isinstance(data, str | Path))
        beginning = begin_together(group, lambda: go_on_with(run, task, group))
        return execute(task, config, beginning, group, listeners)


@contextlib.contextmanager
def _as_asked(config: TrainConfig) -> Iterator[None]:
    """PyTorch's switches as the run needs them, whatever the caller's block is in, such as `torch.no_grad()`."""
    with torch.inference_mode(False), torch.enable_grad(), deterministic_algorithms(config.deterministic):
        yield


def _prepared(
    network: nn.Module | str | None,
    data: Splits | ImageSet | ExampleSet | str | Path,
    config: TrainConfig,
    *,
    arguments: dict[str, Any] | None,
    augment: Sequence[BatchFunction],
    progress: Progress | None,
    start: Start | StartRecord | None,
) -> Task | TableTask:
    """The task of images or of a table: the one place where their ways to a run part."""
    if isinstance(data, ExampleSet):
        if augment or start is not None:
            raise ConfigError("augment and start are for images alone; leave them out for a table")
        return prepare_table(network, data, config, arguments=arguments)
    return prepare(
        network, data, config, arguments=arguments, augment=augment, progress=progress, start=start
    )


def _default_name(task: Task | TableTask) -> str:
    data = Path(task.data["name"] or task.data["source"]).stem
    plain = "".join(
        c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in f"{task.network_name}-{data}"
    )
    return plain[:100].strip("-.") or "run"


def _settings(task: Task | TableTask, config: TrainConfig, group: ProcessGroup) -> dict[str, Any]:
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
        **({} if task.start is None else {"start": task.start.record.to_dict()}),
        "environment": {
            **describe_environment(task.hardware),
            "processes": group.size,
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        },
    }

"""train() and resume(): from a network and images to a run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convnets.checkpoints.model_folder import save_model
from convnets.checkpoints.training_state import TrainingState, load_state, save_state
from convnets.core.environment import describe_environment
from convnets.core.memory import release_freed_memory
from convnets.data.batches import Batches
from convnets.data.image_set import ImageSet, Splits
from convnets.errors import RunError
from convnets.evaluation.evaluation import Evaluation
from convnets.training.conclusion import conclude, evaluate_on
from convnets.training.config import TrainConfig
from convnets.training.events import (
    CheckpointSaved,
    EpochEnded,
    Event,
    Listener,
    Notice,
    RunStarted,
)
from convnets.training.kernels import Kernels
from convnets.training.learner import Learner
from convnets.training.listeners.choose import default_listeners
from convnets.training.listeners.event_file import EventFile
from convnets.training.loop import fit
from convnets.training.run import Run, check_output, create_run
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
        arguments: further arguments of `create_model`, for a network given by name.
        augment: callables on batches, images float N×C×H×W in [0, 1] → the same, after the options' augmentations.
        listeners: who hears the events; by default a live figure in a notebook, else rows in the terminal.
        progress: who hears of downloads and decoding.

    Returns the run; `run.status` says why it ended. Raises UsageError, DataError, RunError or TrainingError.
    Ctrl-C ends the run and leaves it usable.

    >>> run = train("mlp", "digits", TrainConfig(epochs=1), output=tmp_path, listeners=())
    >>> run.status
    'finished'
    """
    config = config or TrainConfig()
    check_output(output, name)
    task = prepare(network, data, config, arguments=arguments, augment=augment, progress=progress)
    run = create_run(output, name, _default_name(task), _settings(task, config))
    run.write_metrics([])
    return _execute(run, task, config, TrainingState(), None, listeners)


def resume(
    run: Run | Path | str,
    *,
    network: nn.Module | None = None,
    data: Splits | ImageSet | str | Path | None = None,
    augment: Sequence[BatchFunction] = (),
    listeners: Sequence[Listener] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Go on with a run from its last finished epoch, to the very weights that it would have reached unstopped.

    A run on data from memory needs them again as `data`, a network from outside the catalogue as `network`, and
    a run with callables of its own as augmentations needs these as `augment`.
    Raises RunError when the run is finished already or its data have changed.
    """
    run = run if isinstance(run, Run) else Run(run)
    config, settings = run.config, run.settings
    if run.status in ("finished", "patience", "time budget"):
        raise RunError(
            f"{run.path} has ended ({run.status}); there is nothing to go on with. Train under another name"
        )
    known = settings["network"]
    source = data if data is not None else settings["data"]["name"]
    if source is None or (network is None and known["arguments"] is None):
        missing = "data" if source is None else "network"
        raise RunError(f"{run.path} was trained on {missing} from memory; pass it: resume(run, {missing}=…)")
    chosen = known["name"] if network is None else network
    task = prepare(chosen, source, config, arguments=known["arguments"], augment=augment, progress=progress)
    if task.data["content_hash"] != settings["data"]["content_hash"]:
        raise RunError(
            f"{run.path}: the images of {task.data['source']} have changed since; train under another name"
        )
    state, learner = load_state(run.state_file, task.hardware.device)
    run.write_metrics(state.rows)
    return _execute(run, task, config, state, learner, listeners)


def _execute(
    run: Run,
    task: Task,
    config: TrainConfig,
    state: TrainingState,
    learner_state: dict[str, Any] | None,
    listeners: Sequence[Listener] | None,
) -> Run:
    heard: list[Listener] = [
        *(default_listeners() if listeners is None else listeners),
        EventFile(run.path / "events.jsonl"),
    ]

    def emit(event: Event) -> None:
        for listener in heard:
            listener(event)

    with _own_random_numbers():
        kernels = Kernels(task.hardware, lambda message: emit(Notice(message)))
        learner = Learner(task.network, config, task.hardware, kernels)
        if learner_state is not None:
            learner.load_state_dict(learner_state)
        reason = "failed"
        try:
            emit(_started(run, task, config, state))
            for notice in task.notices:
                emit(Notice(notice))
            reason = _fit(run, task, config, state, learner, emit)
        except KeyboardInterrupt:
            reason = "interrupted"
        except Exception as error:
            reason = f"failed: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
            raise
        finally:
            conclude(run, task, state, learner, reason, emit)
            release_freed_memory()
    return run


def _fit(
    run: Run, task: Task, config: TrainConfig, state: TrainingState, learner: Learner, emit: Listener
) -> str:
    batches = Batches(
        task.train,
        task.preprocess,
        config.batch_size,
        device=task.hardware.device,
        shuffle=True,
        seed=config.seed,
        augment=task.augment,
        mixing=task.mixing,
        workers=task.workers,
    )

    def validate(network: nn.Module) -> Evaluation | None:
        return None if task.validation is None else evaluate_on(task, network, task.validation)

    def save(row: EpochEnded) -> None:
        if row.best:
            save_model(run.model_folder, task.trained(learner.network_to_keep))
        run.state_file.parent.mkdir(exist_ok=True)
        save_state(run.state_file, state, learner.state_dict())
        run.append_metrics(row.to_dict())
        emit(CheckpointSaved(str(run.state_file), row.epoch))

    validation_images = 0 if task.validation is None else len(task.validation)
    return fit(learner, batches, validate, validation_images, config, state, save, emit)


def _started(run: Run, task: Task, config: TrainConfig, state: TrainingState) -> RunStarted:
    return RunStarted(
        run=str(run.path),
        network=task.network_name,
        data=task.train.source,
        parameters=sum(p.numel() for p in task.network.parameters()),
        input_shape=(task.preprocess.channels, task.preprocess.size, task.preprocess.size),
        train_images=len(task.train),
        validation_images=0 if task.validation is None else len(task.validation),
        resident_bytes=task.train.nbytes,
        hardware=str(task.hardware),
        epochs=config.epochs,
        first_epoch=state.epochs,
    )


def _default_name(task: Task) -> str:
    data = Path(task.data["name"] or task.data["source"]).stem
    plain = "".join(
        c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in f"{task.network_name}-{data}"
    )
    return plain[:100].strip("-.") or "run"


def _settings(task: Task, config: TrainConfig) -> dict[str, Any]:
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
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        },
    }


@contextlib.contextmanager
def _own_random_numbers() -> Iterator[None]:
    """Leave the caller's random numbers as they were: each step seeds the global generator."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    with torch.random.fork_rng(devices=list(devices)):
        yield

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
from convnets.core.memory import release_freed_memory
from convnets.data.batches import Batches
from convnets.data.image_set import ImageSet, Splits
from convnets.data.shard_batches import ShardBatches
from convnets.data.shard_pictures import ShardPictures
from convnets.errors import RunError
from convnets.evaluation.evaluation import Evaluation
from convnets.training.conclusion import conclude, evaluate_on
from convnets.training.config import TrainConfig
from convnets.training.embedding import EmbeddingEvaluation, class_batches, evaluate_embedding, measured
from convnets.training.events import Event, Listener, Notice, RunStarted
from convnets.training.health import HealthProbe
from convnets.training.interruption import INTERRUPTED, TERMINATED, Interruption
from convnets.training.kernels import Kernels
from convnets.training.learner import Learner
from convnets.training.listeners.choose import default_listeners
from convnets.training.listeners.event_file import EventFile
from convnets.training.loop import fit
from convnets.training.run import ENDED, Run, check_output, create_run, find_run
from convnets.training.saver import Saver
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
    check_output(output, None if go_on else name)
    task = prepare(network, data, config, arguments=arguments, augment=augment, progress=progress)
    settings = _settings(task, config)
    stopped = find_run(output, name, settings) if go_on else None
    if stopped is not None:
        return _go_on(stopped, task, config, listeners)
    run = create_run(output, name, _default_name(task), settings)
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
    task = prepare(chosen, source, config, arguments=known["arguments"], augment=augment, progress=progress)
    if task.data["content_hash"] != settings["data"]["content_hash"]:
        raise RunError(
            f"{run.path}: the images of {task.data['source']} have changed since; train under another name"
        )
    return _go_on(run, task, config, listeners)


def _go_on(run: Run, task: Task, config: TrainConfig, listeners: Sequence[Listener] | None) -> Run:
    saved, state, learner = StateFolder(run.state_folder), TrainingState(), None
    if saved.exists():  # else the run was stopped before its first save, and begins anew
        state, learner = saved.load(task.hardware.device)
    changes = environment_changes(run.environment, describe_environment(task.hardware))
    run.go_back_to(state)
    notices = [f"going on where {change}: results may differ in their last bits" for change in changes]
    return _execute(run, task, config, state, learner, listeners, notices)


def _execute(
    run: Run,
    task: Task,
    config: TrainConfig,
    state: TrainingState,
    learner_state: dict[str, Any] | None,
    listeners: Sequence[Listener] | None,
    notices: Sequence[str] = (),
) -> Run:
    interruption = Interruption()
    emit = _telling(
        [*(default_listeners() if listeners is None else listeners), EventFile(run.events_file)], interruption
    )

    def say(message: str) -> None:
        emit(Notice(message))

    with run.claimed(), _own_random_numbers(), _deterministic(config), interruption.listening():
        kernels = Kernels(task.hardware, say, fixed=config.deterministic)
        learner = Learner(task.network, config, task.hardware, kernels, say, task.objective)
        if learner_state is not None:
            learner.load_state_dict(learner_state)
        reason, hurried = "failed", False
        try:
            emit(_started(run, task, config, state))
            for notice in (*task.notices, *notices):
                say(notice)
            reason = _fit(run, task, config, state, learner, interruption, emit)
        except KeyboardInterrupt:  # asked twice: at once
            reason, hurried = INTERRUPTED, True
        except Exception as error:
            reason = f"failed: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
            raise
        finally:
            conclude(run, task, state, learner, reason, emit, hurried=hurried or reason == TERMINATED)
            release_freed_memory()
    return run


def _telling(listeners: Sequence[Listener], interruption: Interruption) -> Listener:
    """Every listener hears every event; one that raises KeyboardInterrupt ends the run as Ctrl-C would."""

    def emit(event: Event) -> None:
        for listener in listeners:
            try:
                listener(event)
            except KeyboardInterrupt:
                if interruption.reason is not None:
                    raise
                interruption.request()

    return emit


def _fit(
    run: Run,
    task: Task,
    config: TrainConfig,
    state: TrainingState,
    learner: Learner,
    interruption: Interruption,
    emit: Listener,
) -> str:
    def validate(network: nn.Module) -> Evaluation | EmbeddingEvaluation | None:
        if probe is not None:
            emit(probe.measure(learner, state.epochs + 1))
        if task.objective is None:
            return None if task.validation is None else evaluate_on(task, network, task.validation)
        found = None
        if task.validation is not None:
            found = evaluate_embedding(task, task.objective, network, task.validation)
        emit(measured(state.epochs + 1, task.objective, found))
        return found

    probe = HealthProbe(task, config) if config.health else None
    if probe is not None and not (state.epochs or state.step):
        emit(probe.measure(learner, 0))
    batches = _batches(task, config)
    validation_images = 0 if task.validation is None else len(task.validation)
    saver = Saver(run, task, learner, state, config, emit)
    try:
        reason = fit(learner, batches, validate, validation_images, config, state, emit, saver, interruption)
    except BaseException:
        with contextlib.suppress(RunError):  # what stopped the run is the better message
            saver.close()
        raise
    saver.close()
    return reason


def _batches(task: Task, config: TrainConfig) -> Batches:
    if task.objective is not None:
        return class_batches(task, config)
    if isinstance(task.train.images, ShardPictures):  # not in memory, and read best from end to end
        return ShardBatches(
            task.train,
            task.preprocess,
            config.batch_size,
            device=task.hardware.device,
            seed=config.seed,
            augment=task.augment,
            mixing=task.mixing,
            workers=task.workers,
            skip_corrupt=config.skip_corrupt,
        )
    return Batches(
        task.train,
        task.preprocess,
        config.batch_size,
        device=task.hardware.device,
        shuffle=True,
        seed=config.seed,
        augment=task.augment,
        mixing=task.mixing,
        workers=task.workers,
        skip_corrupt=config.skip_corrupt,
    )


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
        first_step=state.step,
        objective=config.objective,
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
def _deterministic(config: TrainConfig) -> Iterator[None]:
    """PyTorch's deterministic algorithms, where the run asks for them; an operation without one raises."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(before or config.deterministic)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


@contextlib.contextmanager
def _own_random_numbers() -> Iterator[None]:
    """Leave the caller's random numbers as they were: each step seeds the global generator."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    with torch.random.fork_rng(devices=list(devices)):
        yield

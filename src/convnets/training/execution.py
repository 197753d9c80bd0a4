"""Execution: a run from its beginning to its end — the learner, the listeners, the loop, and what is written when."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import nn

from convnets.checkpoints.training_state import Scored, TrainingState
from convnets.core.distributed.process_group import ProcessGroup
from convnets.core.memory import release_freed_memory
from convnets.core.storage.disk_space import disk_full_message, is_disk_full
from convnets.data.balanced_batches import BalancedBatches
from convnets.data.batches import Batches
from convnets.data.shards.batches import Reading, ShardBatches
from convnets.data.shards.images import ShardPictures
from convnets.errors import ConvnetsError, RunError
from convnets.layers.synchronized_norm import synchronize_batch_norm
from convnets.models.contract import ImageClassifier
from convnets.training.config import TrainConfig
from convnets.training.distributed.ranks import Beginning, RunElsewhere, evaluate_shares
from convnets.training.events import Event, Listener, Notice, RunStarted, StopRun
from convnets.training.interruption import INTERRUPTED, TERMINATED, Interruption
from convnets.training.kernels import Kernels
from convnets.training.learner import Learner
from convnets.training.listeners.choose import default_listeners
from convnets.training.listeners.event_file import EventFile
from convnets.training.loop import fit
from convnets.training.preparation.determinism import without_deterministic_way
from convnets.training.recording.embedding import class_batches, evaluate_embedding, measured
from convnets.training.recording.finalize import evaluate_on, finalize
from convnets.training.recording.health import HealthProbe
from convnets.training.recording.saver import Saver
from convnets.training.recording.table import finalize_table, row_batches
from convnets.training.runs.run import Run
from convnets.training.tables.row_batches import RowBatches
from convnets.training.tables.table_task import TableTask
from convnets.training.task import Task

__all__ = ["execute"]


def execute(
    task: Task | TableTask,
    config: TrainConfig,
    beginning: Beginning,
    group: ProcessGroup,
    listeners: Sequence[Listener] | None,
) -> Run:
    """Train from `beginning` to the end and leave in the run what there is to know; process 0 writes and tells."""
    run, state = beginning.run, beginning.state
    interruption = Interruption(group)
    heard: list[Listener] = []
    if group.first:
        heard += default_listeners() if listeners is None else listeners
        heard.append(EventFile(run.events_file))
    emit = _telling(heard, interruption)

    def say(message: str) -> None:
        emit(Notice(message))

    with (
        _claimed(run, group),
        _own_random_numbers(),
        interruption.listening(),
        contextlib.ExitStack() as layout,
    ):
        learner = _learner(task, config, group, say)
        layout.enter_context(learner.laid_out())
        if beginning.learner is not None:
            learner.load_state_dict(beginning.learner)
        reason, hurried = "failed", False
        try:
            emit(_started(run, task, config, state, group))
            for notice in (*task.notices, *beginning.notices):
                say(notice)
            reason = _fit(run, task, config, state, learner, interruption, emit)
        except KeyboardInterrupt:  # asked twice: at once
            reason, hurried = INTERRUPTED, True
            if group.size > 1:  # the others learn of it by this process's end
                raise
        except Exception as error:
            cause = group.cause_of(_told_as_ours(error, run))
            reason = f"failed: {str(cause).splitlines()[0] if str(cause) else type(cause).__name__}"
            if cause is not error:
                raise cause from None
            raise
        finally:
            if group.first:
                hurried = hurried or reason == TERMINATED
                with _failing(run, reason.startswith("failed")):
                    if isinstance(task, TableTask):
                        finalize_table(run, task, state, learner, reason, emit, hurried=hurried)
                    else:
                        finalize(run, task, state, learner, reason, emit, hurried=hurried)
            release_freed_memory()
    if isinstance(run, RunElsewhere):
        run.told = reason
    return run


def _told_as_ours(error: Exception, run: Run) -> Exception:
    """A full disk, whichever file met it, and an operation that is not deterministic, as errors of our own."""
    if (refused := without_deterministic_way(error)) is not None:
        return refused
    if not isinstance(error, OSError) or not is_disk_full(error):
        return error
    return RunError(
        disk_full_message(Path(error.filename or run.path), None, "the states before it are kept")
    )


@contextlib.contextmanager
def _failing(run: Run, already: bool) -> Iterator[None]:
    """Around the end of a run, whose own failure to write is told only where no other came `already`."""
    try:
        yield
    except (OSError, ConvnetsError) as error:
        if not already:
            raise _told_as_ours(error, run) from None


def _claimed(run: Run, group: ProcessGroup) -> contextlib.AbstractContextManager[None]:
    return run.claimed() if group.first else contextlib.nullcontext()


def _learner(
    task: Task | TableTask, config: TrainConfig, group: ProcessGroup, say: Callable[[str], None]
) -> Learner:
    """The learner; of several processes, all from the weights of process 0."""
    if group.size > 1 and config.sync_bn:
        network = task.network
        made_from = network.architecture if isinstance(network, ImageClassifier) else None
        synchronize_batch_norm(network)
        if isinstance(network, ImageClassifier):
            network.architecture = made_from  # outside this run it is plain batch norm again
    task.network.to(task.hardware.device)
    group.copy_from_first([*task.network.parameters(), *task.network.buffers()])
    steps = config.epochs * -(-len(task.train) // config.batch_size)
    kernels = Kernels(task.hardware, say, fixed=config.deterministic, group=group, steps=steps)
    return Learner(
        task.network, config, task.hardware, kernels, say, task.objective, group, task.class_counts
    )


def _telling(listeners: Sequence[Listener], interruption: Interruption) -> Listener:
    """Every listener hears every event; one that raises StopRun ends the run as one Ctrl-C would."""

    def emit(event: Event) -> None:
        for listener in listeners:
            try:
                listener(event)
            except StopRun:
                interruption.request()
            except KeyboardInterrupt:  # Ctrl-C while the listener was at work
                if interruption.reason is not None:
                    raise
                interruption.request()

    return emit


def _fit(
    run: Run,
    task: Task | TableTask,
    config: TrainConfig,
    state: TrainingState,
    learner: Learner,
    interruption: Interruption,
    emit: Listener,
) -> str:
    def validate(network: nn.Module) -> Scored | None:
        if isinstance(task, TableTask):
            return _validated_rows(task, group, network)
        if probe is not None:
            emit(probe.measure(learner, state.epochs + 1))
        if task.objective is None:
            judge = partial(evaluate_on, task)
            return (
                None if task.validation is None else evaluate_shares(group, network, task.validation, judge)
            )
        found = None
        if task.validation is not None:
            found = evaluate_embedding(task, task.objective, network, task.validation)
        emit(measured(state.epochs + 1, task.objective, found))
        return found

    group = learner.group
    probe = HealthProbe(task, config) if config.health and isinstance(task, Task) else None
    if probe is not None and not (state.epochs or state.step):
        emit(probe.measure(learner, 0))
    batches = _batches(task, config, group)
    validation_images = 0 if task.validation is None else len(task.validation)
    saver = Saver(run, task, learner, state, config, emit) if group.first else None
    try:
        reason = fit(learner, batches, validate, validation_images, config, state, emit, saver, interruption)
    except BaseException:
        if saver is not None:
            with contextlib.suppress(RunError):  # what stopped the run is the better message
                saver.close()
        raise
    if saver is not None:
        saver.close()
    return reason


def _validated_rows(task: TableTask, group: ProcessGroup, network: nn.Module) -> Scored | None:
    """All validation rows in every process: they are quick to compute, and R² is no mean of shares."""
    if group.size > 1:
        group.copy_from_first(network.buffers())  # moving statistics are each process's own between steps
    return None if task.validation is None else task.evaluate(network, task.validation)


def _batches(task: Task | TableTask, config: TrainConfig, group: ProcessGroup) -> Batches | RowBatches:
    if isinstance(task, TableTask):
        return row_batches(task, config, group)
    if task.objective is not None:
        return class_batches(task, config)
    if isinstance(task.train.images, ShardPictures):
        # not in memory, and read best from end to end
        return ShardBatches(
            task.train,
            task.preprocess,
            max(1, config.batch_size // group.size),
            reading=Reading(group.rank, group.size),
            device=task.hardware.device,
            seed=config.seed,
            augment=task.augment,
            mixing=task.mixing,
            workers=task.workers,
            skip_corrupt=config.skip_corrupt,
        )
    return (BalancedBatches if config.balanced_sampling else Batches)(
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
        share=(group.rank, group.size),
    )


def _started(
    run: Run, task: Task | TableTask, config: TrainConfig, state: TrainingState, group: ProcessGroup
) -> RunStarted:
    if isinstance(task, TableTask):
        shape: tuple[int, ...] = task.encoder.shape
    else:
        shape = (task.preprocess.channels, task.preprocess.size, task.preprocess.size)
    of_numbers = task.objective if isinstance(task, TableTask) else None
    shared = f" in each of {group.size} processes" if group.size > 1 else ""
    return RunStarted(
        run=str(run.path),
        network=task.network_name,
        data=task.train.source,
        parameters=sum(p.numel() for p in task.network.parameters()),
        input_shape=shape,
        train_images=len(task.train),
        validation_images=0 if task.validation is None else len(task.validation),
        resident_bytes=task.train.nbytes,
        hardware=f"{task.hardware}{shared}",
        epochs=config.epochs,
        first_epoch=state.epochs,
        first_step=state.step,
        objective=config.objective if of_numbers is None else of_numbers.kind,
        examples=task.train.table.nouns if isinstance(task, TableTask) else "images",
    )


@contextlib.contextmanager
def _own_random_numbers() -> Iterator[None]:
    """Leave the caller's random numbers as they were: each step seeds the global generator."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    with torch.random.fork_rng(devices=list(devices)):
        yield

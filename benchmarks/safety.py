"""What safety costs: saving states, guarding every step, deterministic algorithms, each against the run without it.

Usage: python benchmarks/safety.py --networks lenet_bn resnet20 --rounds 5 --json safety.json

All variants of a network are trained in turn in one process, `rounds` times, on the same images; what counts is the
wall time from the end of the first epoch to that of the last; with --threads 1 the processor's time, of all threads,
which other work on the machine changes little. "default" is what `convnets train` does: guarded steps,
a state saved at each epoch's end and every five minutes. `--saving` only trains by default, once, and adds up what
saving takes, which is more exact than a difference of two times.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from convnets.data.image_set import Splits
from convnets.data.sources import load_data
from convnets.training.config import TrainConfig
from convnets.training.events import EpochEnded, Event
from convnets.training.optimization.step_guard import StepGuard
from convnets.training.recording.saver import Saver
from convnets.training.train import train

EPOCHS = 4


@contextmanager
def without_saving() -> Iterator[None]:
    """Best weights and metrics are written as ever, states are not."""
    with mock.patch.object(Saver, "save"), mock.patch.object(Saver, "step_ended"):
        yield


@contextmanager
def without_guard() -> Iterator[None]:
    """Steps are taken whatever they are."""
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(StepGuard, "before_step"))
        stack.enter_context(mock.patch.object(StepGuard, "allows_step", return_value=True))
        yield


@contextmanager
def saving_timed(spent: dict[str, float]) -> Iterator[None]:
    """Adds up the wall time for which saving holds training up, and the processor time of its writer."""

    def timed(function: Callable[..., Any], what: str, clock: Callable[[], float]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            started = clock()
            try:
                return function(*arguments)
            finally:
                spent[what] = spent.get(what, 0.0) + clock() - started

        return call

    with ExitStack() as stack:
        for name, what, clock in (
            ("_begin", "held up", time.perf_counter),
            ("_write", "writer", time.thread_time),
        ):
            stack.enter_context(mock.patch.object(Saver, name, timed(getattr(Saver, name), what, clock)))
        yield


@contextmanager
def as_it_is() -> Iterator[None]:
    """Nothing is changed."""
    yield


def note_epochs(ends: list[float], clock: Callable[[], float], event: Event) -> None:
    """A listener that notes when each epoch ended."""
    if isinstance(event, EpochEnded):
        ends.append(clock())


VARIANTS: dict[str, tuple[Callable[[], AbstractContextManager[None]], dict[str, Any]]] = {
    "default": (as_it_is, {}),
    "states never saved": (without_saving, {}),
    "steps not guarded": (without_guard, {}),
    "a state every 20 steps": (as_it_is, {"save_every": "20"}),
    "deterministic": (as_it_is, {"deterministic": True}),
}


def measure_saving(network: str, splits: Splits, config: TrainConfig) -> dict[str, float]:
    """Seconds that saving takes of a run of several epochs."""
    spent: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, saving_timed(spent):
        run = train(network, splits, config, output=folder, listeners=[])
        spent["training"] = sum(float(row["seconds"] or 0.0) for row in run.metrics)
    share = (spent["held up"] + spent["writer"]) / spent["training"]
    milliseconds = ", ".join(f"{what} {1000 * spent[what] / EPOCHS:.1f} ms" for what in ("held up", "writer"))
    print(
        f"{network}: {spent['training'] / EPOCHS:.2f} s an epoch; saving: {milliseconds}, {share:.2%} together"
    )
    return spent


def main() -> None:
    """A line per network and variant: milliseconds a step, and its ratio to the default's in the same round."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=["lenet_bn", "resnet20"])
    parser.add_argument("--images", type=int, default=12_800)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--saving", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    clock = time.process_time if arguments.threads == 1 else time.perf_counter
    images = load_data("fashion-mnist").train
    splits = Splits(images.subset(torch.arange(arguments.images)))
    results: dict[str, Any] = {}
    for network in arguments.networks:
        config = TrainConfig(epochs=EPOCHS, batch_size=128, validation=0.0)
        if arguments.saving:
            results[network] = measure_saving(network, splits, config)
            continue
        seconds: dict[str, list[float]] = {name: [] for name in VARIANTS}
        for _ in range(arguments.rounds):
            for name, (around, options) in VARIANTS.items():
                with tempfile.TemporaryDirectory() as folder, around():
                    ends: list[float] = []
                    train(
                        network,
                        splits,
                        replace(config, **options),
                        output=folder,
                        listeners=[functools.partial(note_epochs, ends, clock)],
                    )
                    seconds[name].append(ends[-1] - ends[0])
        steps = (EPOCHS - 1) * arguments.images / 128
        for name, values in seconds.items():
            ratios = [value / other for value, other in zip(values, seconds["default"], strict=True)]
            milliseconds, ratio = 1000 * statistics.median(values) / steps, statistics.median(ratios)
            span = f"{min(ratios):.3f}–{max(ratios):.3f}"
            print(f"{network}, {name}: {milliseconds:.2f} ms a step, {ratio:.3f} ({span})", flush=True)
            results.setdefault(network, {})[name] = {"seconds": values, "ratio": ratio}
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()

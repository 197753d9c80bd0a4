"""Sides without processes: slices made up, so that what is said of them can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import pytest

from convnets.benchmarking import bench as bench_module
from convnets.benchmarking.measures.slices import Side, Slice
from convnets.benchmarking.workload import Workload

SPEEDS = {"standard": 100.0, "hand-tuned": 1000.0, "compiled": 1250.0, "convnets": 2500.0}


def made_slice(images: int, seconds: float, **more: Any) -> Slice:
    """A slice with these and plain values."""
    values = {
        "waiting_seconds": 0.0,
        "cpu_seconds": seconds,
        "peak_bytes": 10**8,
        "joules": None,
        "loss": 1.0,
    }
    return Slice(images=images, seconds=seconds, **{**values, **more})


def made_side(name: str, *seconds: float, precision: str = "fp32", **more: Any) -> Side:
    """A side with one slice of 100 images for each of `seconds`."""
    return Side(name, precision, 1, tuple(made_slice(100, each, **more) for each in seconds))


class FakeProcess:
    """In place of LoopProcess: every step is a batch, at the side's speed in SPEEDS."""

    log: list[str] = []  # noqa: RUF012  what was done, in order; emptied by the fixture
    open = 0

    def __init__(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        self.side = name.rsplit(", ", 1)[1]
        assert (environment is None) == (
            self.side == "convnets"
        )  # the plain loops wait as PyTorch by itself does

    def __enter__(self) -> FakeProcess:
        type(self).open += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        type(self).open -= 1

    def prepare(self, kind: str, side: str, workload: Workload) -> None:
        assert side == self.side
        self.batch_size = workload.batch_size
        self.log.append(f"prepare {kind} {side} {workload.precision}")

    def kernels(self) -> dict[str, Any]:
        return {"native": False, "obstacle": "there is no compiler"}

    def run(self, steps: int) -> Slice:
        self.log.append(f"run {self.side} {steps}")
        images = steps * self.batch_size
        return made_slice(images, images / SPEEDS[self.side])


@pytest.fixture
def fake_processes(monkeypatch: pytest.MonkeyPatch) -> type[FakeProcess]:
    """bench() with sides of known speeds and a machine of known peak, in this process."""
    FakeProcess.log.clear()
    FakeProcess.open = 0
    monkeypatch.setattr(bench_module, "LoopProcess", FakeProcess)
    monkeypatch.setattr(
        bench_module, "measured_peaks", lambda device, threads: {"fp32": 100.0, "bf16": 400.0}
    )
    return FakeProcess


@pytest.fixture
def workload() -> Callable[..., Workload]:
    """`workload(network, **more)`: a small one on digits, one thread, fp32."""

    def make(network: str = "lenet", **more: Any) -> Workload:
        values: dict[str, Any] = {"size": 28, "batch_size": 64, "learning_rate": 0.5}
        return Workload(
            network, "digits", **{**values, "device": "cpu", "precision": "fp32", "threads": 1, **more}
        )

    return make


@pytest.fixture
def side() -> Callable[..., Side]:
    """`side(name, *seconds, precision=…)`: a slice of 100 images for each of `seconds`."""
    return made_side


@pytest.fixture
def slice_() -> Callable[..., Slice]:
    """`slice_(images, seconds, **more)`."""
    return made_slice

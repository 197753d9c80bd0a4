"""LoopProcess: a worker seen from the process that measures: started, told to run a slice, paused, ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import psutil

from convnets import errors
from convnets.benchmarking.measures.energy import EnergyMeter
from convnets.benchmarking.measures.peak_memory import PeakMemory, family
from convnets.benchmarking.measures.slices import Slice
from convnets.benchmarking.workload import Workload
from convnets.errors import ConvnetsError, TrainingError

__all__ = ["LoopProcess", "measured_peaks"]

_LAST_SECONDS = 10.0  # that a worker has to end by itself


class LoopProcess:
    """One side of a comparison in a process of its own, paused whenever it is not asked for a slice.

    Paused means stopped by the system with all of its processes: a loader's workers keep what they had ready and
    take no time from the other sides. A context manager: nothing of it is left after the block, however that ends.

    environment: of the worker; by default that of this process.

    Raises TrainingError, in one line, when the worker dies; a ConvnetsError of the worker is raised here as it is.
    """

    def __init__(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed by __exit__
        # a process group of its own: Ctrl-C reaches this process alone, which then ends the worker
        self._process = subprocess.Popen(
            [sys.executable, "-m", "convnets.benchmarking.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
            env=environment,
            process_group=0,
        )

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    def __enter__(self) -> LoopProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._end()
        self._kill()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what could not be written any more
                if stream is not None:
                    stream.close()
        self._errors.close()

    def prepare(self, kind: str, side: str, workload: Workload) -> None:
        """Load the images and build the network; then pause."""
        self.ask({"kind": kind, "side": side, "workload": workload.to_dict()})
        self.pause()

    def run(self, steps: int) -> Slice:
        """Go on, do `steps` steps, pause again."""
        self._resume()
        before = self._processor_seconds()
        with PeakMemory(self.pid) as memory, EnergyMeter() as energy:
            work = self.ask({"steps": steps})
        processor = self._processor_seconds() - before
        self.pause()
        return Slice(
            images=work["images"],
            seconds=work["seconds"],
            waiting_seconds=work["waiting_seconds"],
            cpu_seconds=processor,
            peak_bytes=memory.peak,
            joules=energy.joules,
            loss=work["loss"],
        )

    def answers(self, batch: int) -> list[list[float]]:
        """Of a peer: take batches of `batch` from now on, and answer 64 images in such."""
        self._resume()
        found = self.ask({"answers": batch})
        self.pause()
        logits: list[list[float]] = found["answers"]
        return logits

    def kernels(self) -> dict[str, Any]:
        """What the side computed with, where it had a choice; empty where it had none."""
        self._resume()
        chosen = self.ask({"kernels": True})
        self.pause()
        return chosen

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send one request and wait for its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # a dead worker is noticed below
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise TrainingError(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            known = getattr(errors, answer["error"], ConvnetsError)
            raise _as_error(known, answer["message"])
        return answer

    def pause(self) -> None:
        """Stop the worker and its children until the next slice."""
        for process in family(self.pid):
            with contextlib.suppress(psutil.Error):
                process.suspend()

    def _resume(self) -> None:
        for process in reversed(family(self.pid)):
            with contextlib.suppress(psutil.Error):
                process.resume()

    def _processor_seconds(self) -> float:
        total = 0.0
        for process in family(self.pid):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
                total += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        return total

    def _last_words(self) -> str:
        try:
            status = self._process.wait(timeout=_LAST_SECONDS)
        except subprocess.TimeoutExpired:
            return f"{self.name}: its process closed its output; run the command again"
        if status < 0:
            remedy = "free memory, or take a smaller batch size"
            return f"{self.name}: its process was killed by signal {-status}; {remedy}"
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        said = f" with {lines[-1].strip()}" if lines else ""
        return f"{self.name}: its process ended{said} (status {status}); leave this network or side out"

    def _end(self) -> None:
        """Ask for a quiet end, in which a loader stops its workers and removes what they shared."""
        self._resume()
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            assert self._process.stdin is not None
            self._process.stdin.write("{}\n")
            self._process.stdin.flush()
            self._process.wait(timeout=_LAST_SECONDS)

    def _kill(self) -> None:
        processes = family(self.pid)
        if processes:
            with contextlib.suppress(psutil.Error):
                processes[0].suspend()  # so that it starts no more children
            processes = family(self.pid)
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if os.name == "posix":  # and what a worker that died by itself left of its group
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


def _as_error(kind: type[ConvnetsError], message: str) -> ConvnetsError:
    """An error of that kind with that message: UnknownNameError builds its own from other arguments."""
    error = kind.__new__(kind)
    error.args = (message,)
    return error


def measured_peaks(device: str, threads: int) -> dict[str, float]:
    """GFLOP/s of large matrix products by precision, measured in a process of their own."""
    with LoopProcess("the matrix products") as process:
        return dict(process.ask({"peak": device, "threads": threads}))

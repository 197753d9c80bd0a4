"""The choice of convolution kernels for this machine: measured once for each shape, and remembered."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

from convnets.core.hardware import processor_name
from convnets.core.storage.cache import cache_folder
from convnets.kernels.compiled import compiled_kernels, processor_features
from convnets.kernels.convolutions.candidates import applicable
from convnets.kernels.convolutions.plan import DIRECTIONS, ONEDNN, ConvolutionPlan
from convnets.kernels.convolutions.shape import ConvolutionShape
from convnets.kernels.tuning.trial import Clock, measure
from convnets.kernels.tuning.tuning_file import TuningFile

__all__ = ["Tuner", "is_tuning_on", "plan_without_measuring"]


class Tuner:
    """Gives the plan for a shape: from memory, from the file at `path`, or by measuring it now.

    - `path`: by default `tuning/convolutions.json` in the cache folder. Where it cannot be read or written, plans
      are measured again in each process.
    - `measured`: called with each shape that was measured and its plan; `is_known` tells beforehand which will be.

    With `CONVNETS_TUNE=0` in the environment nothing is measured and every plan is oneDNN's (on a processor with
    AMX, im2col's where oneDNN is known to be wrong).
    """

    def __init__(
        self,
        path: Path | None = None,
        measured: Callable[[ConvolutionShape, ConvolutionPlan], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._file = TuningFile(cache_folder() / "tuning" / "convolutions.json" if path is None else path)
        self._measured = measured
        self._clock = clock
        self._plans: dict[str, dict[str, ConvolutionPlan]] = {}

    def plan(self, shape: ConvolutionShape, threads: int) -> ConvolutionPlan:
        """The plan for `shape` on `threads` threads; measuring takes about 0.3 s."""
        if not is_tuning_on():
            return plan_without_measuring(shape)
        machine = _machine(threads)
        plans = self._known(machine)
        found = plans.get(shape.key())
        if found is None or not _is_current(found, shape):
            with _thread_count(threads):
                found = measure(shape, self._clock)
            plans[shape.key()] = found
            self._file.write(machine, {key: plan.to_dict() for key, plan in plans.items()})
            if self._measured is not None:
                self._measured(shape, found)
        return found

    def is_known(self, shape: ConvolutionShape, threads: int) -> bool:
        """Whether `plan` will answer at once."""
        if not is_tuning_on():
            return True
        found = self._known(_machine(threads)).get(shape.key())
        return found is not None and _is_current(found, shape)

    def _known(self, machine: str) -> dict[str, ConvolutionPlan]:
        if machine not in self._plans:
            plans = {}
            for key, values in self._file.read(machine).items():
                try:
                    plans[key] = ConvolutionPlan.from_dict(values)
                except (KeyError, TypeError, ValueError, AttributeError):
                    continue  # written by something else; that shape is measured again
            self._plans[machine] = plans
        return self._plans[machine]


def is_tuning_on() -> bool:
    """Whether shapes are measured: unless `CONVNETS_TUNE=0` in the environment."""
    return os.environ.get("CONVNETS_TUNE", "1") != "0"


def _is_current(plan: ConvolutionPlan, shape: ConvolutionShape) -> bool:
    """Whether the plan compared just the kernels that there are now: native ones come and go with the compiler."""
    for direction in DIRECTIONS:
        if direction == "input_gradient" and not shape.needs_input_gradient:
            continue
        names = set(applicable(direction, shape))
        compared = {*plan.seconds.get(direction, {}), *plan.dropped.get(direction, {})}
        if compared != names or plan.chosen(direction) not in names:
            return False
    return True


def plan_without_measuring(shape: ConvolutionShape) -> ConvolutionPlan:
    """oneDNN's kernels, and im2col's where oneDNN is known to be wrong."""
    stepping_over = shape.stride[0] > shape.kernel[0] or shape.stride[1] > shape.kernel[1]
    if shape.dtype == "bf16" and stepping_over and torch.cpu._is_amx_tile_supported():
        # oneDNN's AMX kernels give wrong results there: oneDNN issue 5494
        name = "product" if "product" in applicable("forward", shape) else "im2col"
        return ConvolutionPlan(name, name, name)
    return ONEDNN


def _machine(threads: int) -> str:
    """What the times depend on beside the shape."""
    native = compiled_kernels()
    limits = [os.environ.get(name, "") for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")]
    parts = [
        processor_name(),
        _digest(processor_features()),
        f"torch {torch.__version__}",
        "no native kernels"
        if native is None
        else Path(native._name).stem,  # whose name tells their sources apart
        *filter(None, limits),
    ]
    return ", ".join([*parts, f"{threads} threads"])


@cache
def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@contextmanager
def _thread_count(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    if before == threads:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)

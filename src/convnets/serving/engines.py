"""Engines: what computes a trained network's answers, chosen by name or by measurement, with the same answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from convnets.acceleration.inference import for_inference
from convnets.benchmarking.measures.alternating import alternating_medians
from convnets.checkpoints.onnx.onnx_copy import onnx_copy
from convnets.checkpoints.onnx.onnx_model import OnnxNetwork
from convnets.core.hardware import Hardware
from convnets.data.preprocess import Preprocess
from convnets.errors import ConvnetsError, DeviceError, UnknownNameError
from convnets.evaluation.scores import hardware_for
from convnets.models.answers import logits_of

__all__ = ["ENGINES", "Answering", "Engine", "Timed", "choose_engine"]

ENGINES = ("auto", "convnets", "onnxruntime")
_OWN, _OTHER = "convnets", "onnxruntime"
_LARGER = (64, 16, 4)
_LONGEST = 0.1  # seconds that a batch may take, by the time of one image; a larger one is not measured
_ROUNDS, _TURN = 5, 0.02
_CLEARLY, _NOISE = 1.1, 0.95  # faster at one batch size by so much, and not slower at the other but by chance


@dataclass(frozen=True)
class Timed:
    """Milliseconds of a batch through both engines: medians of rounds in which they take turns."""

    batch: int
    convnets: float
    onnxruntime: float


@dataclass(frozen=True)
class Engine:
    """Which engine answers, and why."""

    name: str
    """convnets or onnxruntime."""
    reason: str
    milliseconds: tuple[Timed, ...] = ()
    """What was measured at the start; empty where nothing was."""

    def __str__(self) -> str:
        return f"engine {self.name}: {self.reason}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"engine": self.name, "reason": self.reason, "milliseconds": [*map(asdict, self.milliseconds)]}


@dataclass(frozen=True, eq=False)
class Answering:
    """What is asked for logits, on which hardware."""

    network: nn.Module
    hardware: Hardware
    engine: Engine


def choose_engine(
    network: nn.Module, preprocess: Preprocess, hardware: Hardware, engine: str = _OWN
) -> Answering:
    """The engine that answers for `network`, which is in evaluation mode; the network stays as it is.

    `convnets` asks a faster copy of it (`for_inference`), `onnxruntime` the network exported to ONNX. `auto` measures
    both for about a second on one image and on a batch of 64 (smaller where that takes long) and takes ONNX Runtime
    where it is at least 10 % faster at one and not slower at the other. Where it is not installed, cannot compute the
    network or answers otherwise, convnets answers and the reason says so. An ONNX file is answered by ONNX Runtime,
    whatever `engine` is.

    Raises UnknownNameError for another name. For `onnxruntime` raises UsageError where it is not installed,
    DeviceError for another device than the processor, and ModelFolderError where it cannot compute the network or
    answers otherwise.

    >>> from convnets.core.hardware import choose_hardware
    >>> network, cpu = nn.Sequential(nn.Flatten(), nn.Linear(64, 2)).eval(), choose_hardware("cpu", "fp32")
    >>> print(choose_engine(network, Preprocess.plain(1, 8), cpu).engine)
    engine convnets: the default
    """
    if engine not in ENGINES:
        raise UnknownNameError("engine", engine, ENGINES)
    if isinstance(network, OnnxNetwork):
        return Answering(network, hardware_for(network, hardware), Engine(_OTHER, "an ONNX file"))
    own = for_inference(network, hardware.dtype)
    if engine == _OWN:
        return Answering(own, hardware, Engine(_OWN, "the default"))
    shape = (preprocess.channels, preprocess.size, preprocess.size)
    try:
        if hardware.device.type != "cpu":
            raise DeviceError(f"ONNX Runtime answers on the processor, the network is on {hardware.device}")
        copied = onnx_copy(network, shape)
    except ConvnetsError as error:
        if engine == _OTHER:
            raise
        return Answering(own, hardware, Engine(_OWN, f"{error}"))
    other = Answering(copied, hardware_for(copied, hardware), Engine(_OTHER, "as asked"))
    if engine == _OTHER:
        return other
    measured = _measured(own, copied, shape, hardware)
    ratios = [each.convnets / each.onnxruntime for each in measured]
    is_faster = max(ratios) >= _CLEARLY and min(ratios) >= _NOISE
    reason = "measured here, " + ", ".join(
        f"{each.convnets:.3g} ms with convnets and {each.onnxruntime:.3g} ms with onnxruntime at batch {each.batch}"
        for each in measured
    )
    if is_faster:
        return Answering(copied, other.hardware, Engine(_OTHER, reason, measured))
    return Answering(own, hardware, Engine(_OWN, reason, measured))


def _measured(
    own: nn.Module, copied: nn.Module, shape: tuple[int, ...], hardware: Hardware
) -> tuple[Timed, ...]:
    """Both on one image, and on as many as 64 where that does not take long."""
    calls = {_OWN: partial(_ask, own, hardware), _OTHER: partial(_ask, copied, hardware)}
    image = torch.zeros(1, *shape)
    with torch.inference_mode():
        calls[_OWN](image)  # which compares the copy with the network
        longest = min(_seconds(calls[_OWN], image) for _ in range(3))
        larger = next((batch for batch in _LARGER if batch * longest <= _LONGEST), 1)
        found: list[Timed] = []
        for batch in dict.fromkeys((1, larger)):
            images = torch.zeros(batch, *shape)
            seconds = alternating_medians(
                {name: partial(call, images) for name, call in calls.items()}, rounds=_ROUNDS, seconds=_TURN
            )
            found.append(Timed(batch, 1000 * seconds[_OWN], 1000 * seconds[_OTHER]))
    return tuple(found)


def _seconds(call: Callable[[Tensor], Tensor], images: Tensor) -> float:
    started = time.perf_counter()
    call(images)
    return time.perf_counter() - started


def _ask(network: nn.Module, hardware: Hardware, images: Tensor) -> Tensor:
    with hardware.autocast():
        return logits_of(network(images))

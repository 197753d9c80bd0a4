"""A step's forward and backward pass as one CUDA graph: recorded once, then replayed for every batch of its shape.

A small network on a GPU waits for Python, which launches a hundred kernels one by one. A graph launches all of them at
once. What it computes is fixed when it is recorded, so it is used only after its first replay was compared with the
same step launched as usual.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Record", "RecordedGradients", "record_on_cuda"]

Sums = tuple[Tensor, Tensor]
Compute = Callable[[Tensor, Tensor], Sums]
"""Images and targets → loss and number of right answers; leaves gradients in the parameters."""
Record = Callable[[Callable[[], Sums]], tuple[Callable[[], None], Sums]]
"""What to compute → how to compute it again, and the tensors in which the results lie after each time."""

_WARM_UPS = 3  # as PyTorch's documentation has it: libraries choose and allocate in the first ones
_ALLOWED = (
    2e-2  # relative error of the gradients, which atomics and half precision round differently each time
)


def record_on_cuda(compute: Callable[[], Sums]) -> tuple[Callable[[], None], Sums]:
    """`Record` on the current CUDA device: warm-ups on a stream of their own, then the recording.

    cuDNN measures its kernels in the warm-ups, so that the fastest are recorded.
    """
    with _measuring_kernels():
        return _recorded(compute)


@contextlib.contextmanager
def _measuring_kernels() -> Iterator[None]:
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def _recorded(compute: Callable[[], Sums]) -> tuple[Callable[[], None], Sums]:
    own = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    own.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(own):
        for _ in range(_WARM_UPS):
            compute()
    torch.cuda.current_stream().wait_stream(own)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = compute()
    return graph.replay, results


class RecordedGradients:
    """The gradients of one network's batches, by replaying what the second batch of a shape recorded.

    Only for a network whose computation is the same every step: known layers, no code of the user's own. Random
    numbers such as dropout's are drawn anew in each replay, from the state that the device's generator then has.
    """

    def __init__(
        self, network: nn.Module, say: Callable[[str], None], record: Record = record_on_cuda
    ) -> None:
        self._parameters = [each for each in network.parameters() if each.requires_grad]
        self._tensors = [*network.parameters(), *network.buffers()]
        self._buffers = list(network.buffers())
        self._say, self._record = say, record
        self._last: _Kind | None = None
        self._recording: _Recording | None = None
        self._given_up = False

    def __call__(self, compute: Compute, images: Tensor, targets: Tensor) -> Sums | None:
        """What `compute` gives, by a replay; None where this batch is to be computed as usual.

        The first batch of a shape is, and every batch where recording does not work.
        """
        if self._given_up:
            return None
        kind = self._kind(images, targets)
        if self._recording is not None and self._recording.kind.places == kind.places:
            same = self._recording.kind == kind  # an epoch's last batch is smaller, and not worth a recording
            return self._recording.replay(images, targets, self._parameters) if same else None
        if kind != self._last:
            self._last = kind
            return None
        self._recording = None  # frees its memory first
        try:
            return self._recorded(compute, images, targets, kind)
        except RuntimeError as error:
            self._give_up(str(error).splitlines()[0])
            return None

    def _kind(self, images: Tensor, targets: Tensor) -> _Kind:
        batch = tuple((each.shape, each.stride(), each.dtype, each.device) for each in (images, targets))
        return _Kind(batch, tuple(each.data_ptr() for each in self._tensors))

    def _recorded(self, compute: Compute, images: Tensor, targets: Tensor, kind: _Kind) -> Sums | None:
        held = (images.clone(), targets.clone())
        statistics = [each.clone() for each in self._buffers]

        def step() -> Sums:
            self._forget_gradients()
            return compute(*held)

        try:
            with torch.random.fork_rng([images.device] if images.is_cuda else []):
                _, expected = step(), [_copy(each.grad) for each in self._parameters]
            if not all(bool(each.isfinite().all()) for each in expected if each is not None):
                self._forget_gradients()
                return None  # nothing to compare a replay with
            self._restore(statistics)
            with torch.random.fork_rng([images.device] if images.is_cuda else []):
                again, sums = self._record(step)
        finally:
            self._restore(statistics)
        gradients = [each.grad for each in self._parameters]
        recording = _Recording(kind, held, again, sums, gradients)
        found = recording.replay(images, targets, self._parameters)
        if not _alike(gradients, expected):
            self._restore(statistics)
            self._give_up("a replay did not compute what the step does")
            return None
        self._recording = recording
        self._say("steps are recorded as a CUDA graph: small networks no longer wait for Python")
        return found

    @torch.no_grad()
    def _restore(self, statistics: list[Tensor]) -> None:
        if statistics:
            torch._foreach_copy_(self._buffers, statistics)

    def _forget_gradients(self) -> None:
        for each in self._parameters:
            each.grad = None

    def _give_up(self, why: str) -> None:
        self._given_up = True
        self._forget_gradients()
        self._say(f"steps are not recorded as a CUDA graph: {why}")


@dataclass(frozen=True)
class _Kind:
    """What a recording depends on."""

    batch: tuple[object, ...]
    """How images and targets lie in memory."""
    places: tuple[int, ...]
    """Where weights and statistics do."""


@dataclass(frozen=True)
class _Recording:
    kind: _Kind
    held: tuple[Tensor, Tensor]
    again: Callable[[], None]
    sums: Sums
    gradients: Sequence[Tensor | None]

    def replay(self, images: Tensor, targets: Tensor, parameters: Sequence[nn.Parameter]) -> Sums:
        self.held[0].copy_(images)
        self.held[1].copy_(targets)
        self.again()
        for parameter, gradient in zip(parameters, self.gradients, strict=True):
            parameter.grad = gradient
        return self.sums


def _copy(gradient: Tensor | None) -> Tensor | None:
    return None if gradient is None else gradient.clone()


def _alike(found: Sequence[Tensor | None], expected: Sequence[Tensor | None]) -> bool:
    """Whether gradients agree, taken as one vector."""
    error, norm = 0.0, 0.0
    for one, other in zip(found, expected, strict=True):
        if (one is None) != (other is None):
            return False
        if one is not None and other is not None:
            error += float((one - other).double().square().sum())
            norm += float(other.double().square().sum())
    return error <= (_ALLOWED**2) * norm

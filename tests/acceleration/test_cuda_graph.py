"""Recorded gradients, with a recorder for the processor that replays by computing again into the same tensors."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.acceleration.cuda_graph import RecordedGradients, Sums

IMAGES, TARGETS = torch.rand(6, 1, 6, 6), torch.arange(6) % 3


def network(dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(dropout), nn.Flatten(), nn.Linear(32, 3)
    )


class Recorder:
    """Two warm-ups and a recording, as on a GPU; `factor` other than 1 replays something else than was recorded."""

    def __init__(self, net: nn.Module, factor: float = 1.0) -> None:
        self.net, self.factor = net, factor
        self.recordings = self.replays = 0

    def __call__(self, compute: Callable[[], Sums]) -> tuple[Callable[[], None], Sums]:
        compute(), compute()
        before = copy.deepcopy([each.clone() for each in self.net.buffers()])
        held = compute()
        gradients = [each.grad for each in self.net.parameters()]
        for buffer, value in zip(self.net.buffers(), before, strict=True):  # recording does not compute
            buffer.copy_(value)
        self.recordings += 1

        def replay() -> None:
            self.replays += 1
            for own, new in zip(held, compute(), strict=True):
                own.copy_(new)
            for kept, parameter in zip(gradients, self.net.parameters(), strict=True):
                assert kept is not None
                assert parameter.grad is not None
                kept.copy_(self.factor * parameter.grad)

        return replay, held


def compute_with(net: nn.Module) -> Callable[[Tensor, Tensor], Sums]:
    def compute(images: Tensor, targets: Tensor) -> Sums:
        logits = net(images)
        loss = F.cross_entropy(logits, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach(), (logits.argmax(1) == targets).sum()

    return compute


def gradients(net: nn.Module) -> list[Tensor]:
    return [each.grad.clone() for each in net.parameters() if each.grad is not None]


def test_replays_compute_the_gradients_sums_statistics_and_random_numbers_of_plain_steps() -> None:
    net, told = network(dropout=0.5), list[str]()
    twin, record = copy.deepcopy(net), Recorder(net)
    recorded, plain = RecordedGradients(net, told.append, record), compute_with(twin)
    for step in range(5):
        images = torch.rand(6, 1, 6, 6)
        torch.manual_seed(step)
        net.zero_grad(set_to_none=True)
        found = recorded(compute_with(net), images, TARGETS)
        if found is None:
            found = compute_with(net)(images, TARGETS)
        torch.manual_seed(step)
        twin.zero_grad(set_to_none=True)
        expected = plain(images, TARGETS)
        assert [float(each) for each in found] == [float(each) for each in expected]
        assert all(torch.equal(a, b) for a, b in zip(gradients(net), gradients(twin), strict=True))
        assert all(torch.equal(a, b) for a, b in zip(net.buffers(), twin.buffers(), strict=True))
    assert (record.recordings, record.replays) == (1, 4)  # the first batch is computed as usual
    assert told == ["steps are recorded as a CUDA graph: small networks no longer wait for Python"]


def test_batches_of_another_shape_are_computed_as_usual_and_do_not_end_the_recording() -> None:
    net = network()
    record = Recorder(net)
    recorded, compute = RecordedGradients(net, _ignore, record), compute_with(net)
    found = [
        recorded(compute, IMAGES[:n], TARGETS[:n]) is not None for n in (6, 6, 6, 4, 6, 4, 6)
    ]  # an epoch's last batch is smaller
    assert found == [False, True, True, False, True, False, True]
    assert record.recordings == 1


def test_weights_that_moved_in_memory_are_recorded_again() -> None:
    net = network()
    record = Recorder(net)
    recorded, compute = RecordedGradients(net, _ignore, record), compute_with(net)
    recorded(compute, IMAGES, TARGETS), recorded(compute, IMAGES, TARGETS)
    net[0].weight.data = net[0].weight.data.clone()
    assert recorded(compute, IMAGES, TARGETS) is None
    assert recorded(compute, IMAGES, TARGETS) is not None
    assert record.recordings == 2


def test_what_cannot_be_recorded_is_computed_as_usual_and_said_once() -> None:
    net, told = network(), list[str]()

    def refuse(_compute: Callable[[], Sums]) -> tuple[Callable[[], None], Sums]:
        _compute()
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    recorded, compute = RecordedGradients(net, told.append, refuse), compute_with(net)
    before = copy.deepcopy(net.state_dict())
    assert [recorded(compute, IMAGES, TARGETS) for _ in range(4)] == [None] * 4
    assert told == [
        "steps are not recorded as a CUDA graph: operation not permitted when stream is capturing"
    ]
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert all(each.grad is None for each in net.parameters())


@pytest.mark.parametrize("factor", [1.1, float("nan")])
def test_a_replay_that_computes_something_else_is_never_used(factor: float) -> None:
    net, told = network(), list[str]()
    recorded, compute = RecordedGradients(net, told.append, Recorder(net, factor)), compute_with(net)
    before = copy.deepcopy(net.state_dict())
    assert [recorded(compute, IMAGES, TARGETS) for _ in range(3)] == [None] * 3
    assert told == ["steps are not recorded as a CUDA graph: a replay did not compute what the step does"]
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_a_batch_without_finite_gradients_is_not_recorded_but_the_next_one_is() -> None:
    net = network()
    record = Recorder(net)
    recorded, compute = RecordedGradients(net, _ignore, record), compute_with(net)
    found = []
    for images in (IMAGES, IMAGES * float("inf"), IMAGES):
        found.append(recorded(compute, images, TARGETS) is not None)
        assert all((each.grad is not None) == found[-1] for each in net.parameters())
    assert found == [False, False, True]


def _ignore(_message: str) -> None:
    """What nobody asked for."""

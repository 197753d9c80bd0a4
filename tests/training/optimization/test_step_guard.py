"""Nothing that is not finite reaches the weights; a batch that does not fit is split without changing its gradient."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convnets.core.hardware import choose_hardware
from convnets.data.batches import Batch
from convnets.errors import TrainingError
from convnets.training.config import TrainConfig
from convnets.training.learner import Learner
from convnets.training.optimization.step_guard import StepGuard


def batch(n: int = 16) -> Batch:
    images = torch.rand(n, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    return Batch(images, torch.arange(n) % 3, torch.arange(n))


def network(*, norm: bool = True) -> nn.Sequential:
    torch.manual_seed(1)
    middle = nn.BatchNorm2d(4) if norm else nn.Identity()
    return nn.Sequential(nn.Conv2d(1, 4, 3), middle, nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))


def learner(net: nn.Module, said: list[str] | None = None, **options: Any) -> Learner:
    config = TrainConfig(learning_rate=0.1, schedule="constant", precision="fp32", fast=False, **options)
    say = (lambda _: None) if said is None else said.append
    return Learner(net, config, choose_hardware("cpu", "fp32"), say=say)


def same(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


class BadGradient(torch.autograd.Function):
    """Passes numbers on and sends one that is not finite back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        gradient = gradient.clone()
        gradient.view(-1)[0] = torch.inf
        return gradient


class Spoiling(nn.Module):
    """A network whose gradient is not finite while `on`."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.on = network(), True

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x)
        return BadGradient.apply(y) if self.on else y  # type: ignore[no-any-return]


def spoilt(bad: float) -> Batch:
    one = batch()
    one.images[3, 0, 2, 2] = bad
    return one


@pytest.mark.parametrize("clip", [None, 1.0])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_loss_that_is_not_finite_changes_nothing(bad: float, clip: float | None) -> None:
    ours = learner(network(), clip_gradient_norm=clip)
    ours.step(batch(), 0, 0, 0.0)
    before = copy.deepcopy(ours.network)
    with pytest.raises(
        TrainingError, match=r"the loss is not finite in epoch 1, step 2, at learning rate 0\.1"
    ):
        ours.step(spoilt(bad), 0, 1, 0.0)
    assert same(ours.network, before)  # weights and batch norm's statistics
    assert ours.seen == 16


@pytest.mark.parametrize("clip", [None, 1.0])
def test_a_gradient_that_is_not_finite_changes_nothing(clip: float | None) -> None:
    ours = learner(Spoiling(), clip_gradient_norm=clip)
    before = copy.deepcopy(ours.network)
    with pytest.raises(TrainingError, match=r"the gradient's norm is (inf|nan) in epoch 1, step 1"):
        ours.step(batch(), 0, 0, 0.0)
    assert same(ours.network, before)


def test_a_skipped_step_is_counted_and_leaves_no_trace() -> None:
    said: list[str] = []
    ours, other = learner(network(), said, non_finite="skip"), learner(network())
    for step, one in enumerate([batch(), spoilt(torch.nan), batch(12)]):
        ours.step(one, 0, step, 0.0)
    other.step(batch(), 0, 0, 0.0)
    other.step(batch(12), 0, 2, 0.0)
    assert same(ours.network, other.network)
    assert (ours.seen, ours.loss) == (28, other.loss)
    assert ours.guard.skipped == 1
    assert len(said) == 1
    assert said[0].endswith("step skipped, 1 so far")


def test_skipping_without_end_ends_the_run() -> None:
    ours = learner(Spoiling(), non_finite="skip")
    for step in range(9):
        ours.step(batch(), 0, step, 0.0)
    with pytest.raises(TrainingError, match="10 steps in a row"):
        ours.step(batch(), 0, 9, 0.0)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_where_the_device_decides_the_update_is_held_back_and_told_later(optimizer: str) -> None:
    """As on CUDA; the processor's fused optimizers hold an update back in the same way."""
    ours = learner(network(norm=False), optimizer=optimizer)
    ours.guard.deferred = True
    ours.step(batch(), 0, 0, 0.0)
    before = copy.deepcopy(ours.network)
    ours.step(spoilt(torch.nan), 0, 1, 0.0)
    ours.step(batch(), 0, 2, 0.0)  # nothing moves until somebody asks
    assert same(ours.network, before)
    with pytest.raises(TrainingError, match="not finite before the end of epoch 1"):
        ours.guard.check("the end of epoch 1, step 3")


@pytest.mark.parametrize("fast", [True, False])
def test_the_norm_is_that_over_all_gradients(fast: bool) -> None:
    net = network()
    guard = StepGuard(net, torch.optim.SGD(net.parameters()), TrainConfig(fast=fast), lambda _: None)
    net(batch().images).square().sum().backward()
    gradients = torch.cat([p.grad.double().flatten() for p in net.parameters() if p.grad is not None])
    assert guard._norm() == pytest.approx(gradients.norm().item(), rel=1e-5)


class Narrow(nn.Module):
    """A network whose memory holds 5 images at once."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.inner, self.error = network(norm=False), error

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 5:
            raise self.error
        y: Tensor = self.inner(x)
        return y


OUT_OF_MEMORY = [
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: 9 bytes"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    MemoryError(),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["processor", "cuda", "python"])
def test_a_batch_that_does_not_fit_is_split_until_it_does(error: Exception) -> None:
    said: list[str] = []
    narrow, wide = learner(Narrow(error), said), learner(network(norm=False))
    for step in range(3):
        narrow.step(batch(), 0, step, 0.0)
        wide.step(batch(), 0, step, 0.0)
    assert narrow.parts == 4
    assert [message.split(":")[0] for message in said] == [
        "memory did not suffice for 16 images at once"
    ] * 2  # in 2 parts, then in 4; not again in later steps
    for mine, theirs in zip(narrow.network.parameters(), wide.network.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
    assert narrow.loss == pytest.approx(wide.loss, rel=1e-5)
    assert narrow.seen == wide.seen == 48


def test_one_image_that_does_not_fit_is_an_error_and_so_is_any_other() -> None:
    class Never(Narrow):
        def forward(self, x: Tensor) -> Tensor:
            raise self.error

    with pytest.raises(MemoryError):
        learner(Never(MemoryError())).step(batch(), 0, 0, 0.0)
    said: list[str] = []
    with pytest.raises(RuntimeError, match="shapes"):
        learner(Never(RuntimeError("shapes do not fit")), said).step(batch(), 0, 0, 0.0)
    assert said == []


def test_parts_are_remembered_by_a_resumed_run() -> None:
    narrow = learner(Narrow(MemoryError()))
    narrow.step(batch(), 0, 0, 0.0)
    again = learner(Narrow(MemoryError()))
    again.load_state_dict(narrow.state_dict())
    assert again.parts == 4

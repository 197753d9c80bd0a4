"""One training step against slow arithmetic, and what it must never do."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.core.hardware import choose_hardware
from convnets.data.batches import Batch
from convnets.errors import ConfigError, TrainingError
from convnets.training.config import TrainConfig
from convnets.training.learner import Learner

PLAIN = {
    "optimizer": "sgd",
    "momentum": 0.0,
    "weight_decay": 0.0,
    "schedule": "constant",
    "learning_rate": 0.5,
}


def batch(n: int = 12, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(n, 1, 6, 6, generator=generator)
    return Batch(images, torch.arange(n) % 3, torch.arange(n))


def network(dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Dropout(dropout), nn.Flatten(), nn.Linear(64, 3))


def learner(net: nn.Module, **options: object) -> Learner:
    config = TrainConfig.from_dict(PLAIN | options)
    return Learner(net, config, choose_hardware("cpu", str(options.get("precision", "fp32"))))


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def test_a_step_is_the_gradient_step_in_float64() -> None:
    ours = learner(network(), label_smoothing=0.1, l2_penalty=0.01, l1_penalty=0.001)
    oracle = network().double()
    one = batch()
    ours.step(one, 0, 0, 0.0)
    log_p = F.log_softmax(oracle(one.images.double()), 1)
    target = 0.9 * F.one_hot(one.targets, 3).double() + 0.1 / 3
    loss = -(target * log_p).sum(1).mean()
    weights = [oracle[0].weight, oracle[4].weight]
    penalty = sum(0.001 * w.abs().sum() + 0.005 * w.square().sum() for w in weights)
    (loss + penalty).backward()
    for mine, theirs in zip(ours.network.parameters(), oracle.parameters(), strict=True):
        torch.testing.assert_close(mine.double(), theirs - 0.5 * theirs.grad, atol=1e-6, rtol=1e-5)
    assert ours.loss == pytest.approx(loss.item(), rel=1e-5)
    assert ours.accuracy == pytest.approx(float((log_p.argmax(1) == one.targets).double().mean()))


@pytest.mark.parametrize("parts", [2, 5, 12, 50])
def test_a_batch_in_parts_gives_the_gradients_of_the_whole(parts: int) -> None:
    whole, split = learner(network()), learner(network(), accumulate=parts)
    for each in (whole, split):
        each.step(batch(), 0, 0, 0.0)
    for a, b in zip(whole.network.parameters(), split.network.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)
    assert split.seen == whole.seen == 12


def test_mixed_targets_are_cross_entropy_with_shares() -> None:
    one = batch()
    shares = torch.rand(12, 3).softmax(1)
    ours = learner(network())
    ours.step(Batch(one.images, shares, one.indices), 0, 0, 0.0)
    expected = -(shares * F.log_softmax(network()(one.images), 1)).sum(1).mean()
    assert ours.loss == pytest.approx(expected.item(), rel=1e-5)


def test_the_average_follows_the_formula() -> None:
    ours = learner(network(), ema_decay=0.9)
    expected = copy.deepcopy(ours.network).double()
    for step in range(5):
        ours.step(batch(seed=step), 0, step, 0.0)
        decay = min(0.9, (2 + step) / (11 + step))
        with torch.no_grad():
            for mean, now in zip(expected.parameters(), ours.network.parameters(), strict=True):
                mean.mul_(decay).add_(now.double(), alpha=1 - decay)
    assert ours.network_to_keep is ours.average
    for mine, theirs in zip(ours.network_to_keep.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(mine.double(), theirs, atol=1e-6, rtol=1e-5)


def test_the_average_takes_batch_norm_statistics_along() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(32, 3))
    ours = learner(net, ema_decay=0.5)
    ours.step(batch(), 0, 0, 0.0)
    assert ours.average is not None
    assert int(ours.average[1].num_batches_tracked) == 1
    assert not torch.equal(ours.average[1].running_mean, torch.zeros(2))


def test_clipping_bounds_the_step() -> None:
    ours, before = learner(network(), clip_gradient_norm=0.01), network()
    ours.step(batch(), 0, 0, 0.0)
    moved = [a - b for a, b in zip(ours.network.parameters(), before.parameters(), strict=True)]
    assert torch.cat([m.flatten() for m in moved]).norm().item() == pytest.approx(0.5 * 0.01, rel=1e-3)


def test_the_cap_holds_after_every_step() -> None:
    ours = learner(network(), max_norm=0.2)
    ours.step(batch(), 0, 0, 0.0)
    for weight in ours.weights:
        assert weight.flatten(1).norm(dim=1).max().item() <= 0.2 + 1e-6


def test_dropout_depends_on_seed_epoch_and_step_alone() -> None:
    results = []
    for seed, epoch, step in ((0, 1, 2), (0, 1, 2), (0, 1, 3), (0, 2, 2), (1, 1, 2)):
        ours = learner(network(0.5), seed=seed)
        torch.rand(int(torch.randint(1, 50, ())))  # whatever happened before
        ours.step(batch(), epoch, step, 0.0)
        results.append(ours.loss)
    assert results[0] == results[1]
    assert len(set(results)) == 4


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_never_reaches_the_weights(bad: float) -> None:
    ours, before = learner(network()), network()
    one = batch()
    one.images[3, 0, 2, 2] = bad
    with pytest.raises(TrainingError, match=r"epoch 3, step 8, at learning rate 0\.5; the weights are"):
        ours.step(one, 2, 7, 0.0)
    assert same_weights(ours.network, before)


class TwoHeads(nn.Module):
    """A network with auxiliary logits."""

    def __init__(self) -> None:
        super().__init__()
        self.main, self.side = nn.Linear(36, 3), nn.Linear(36, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x.flatten(1))

    def forward_with_auxiliary(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.main(x.flatten(1)), self.side(x.flatten(1))


def test_auxiliary_heads_learn_with_their_weight() -> None:
    torch.manual_seed(0)
    net = TwoHeads()
    before = copy.deepcopy(net)
    one = batch()
    learner(net, auxiliary_weight=0.3).step(one, 0, 0, 0.0)
    main, side = before.forward_with_auxiliary(one.images)
    (F.cross_entropy(main, one.targets) + 0.3 * F.cross_entropy(side, one.targets)).backward()
    for mine, theirs in zip(net.parameters(), before.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs - 0.5 * theirs.grad)


def test_auxiliary_weight_without_heads_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"auxiliary_weight is 0\.3 but Sequential has no auxiliary heads"):
        learner(network(), auxiliary_weight=0.3)


def test_bf16_stays_near_float32_and_weights_stay_float32() -> None:
    exact, half = learner(network()), learner(network(), precision="bf16")
    for each in (exact, half):
        each.step(batch(), 0, 0, 0.0)
    assert half.loss == pytest.approx(exact.loss, rel=0.02)
    assert all(p.dtype is torch.float32 for p in half.network.parameters())


def test_state_goes_on_exactly() -> None:
    options = {"optimizer": "adamw", "momentum": 0.9, "learning_rate": 0.01, "ema_decay": 0.8}
    whole = learner(network(0.3), **options)
    for step in range(3):
        whole.step(batch(seed=step), 0, step, 0.0)
    state = copy.deepcopy(whole.state_dict())
    later = learner(network(0.3), **options)
    later.load_state_dict(state)
    for each in (whole, later):
        each.start_epoch()
        for step in range(3, 6):
            each.step(batch(seed=step), 0, step, 0.0)
    assert whole.loss == later.loss
    assert same_weights(whole.network, later.network)
    assert same_weights(whole.network_to_keep, later.network_to_keep)


def test_the_answer_is_the_networks_before_and_after_it_has_kernels() -> None:
    ours = learner(network(0.5))
    ours.network.eval()
    expected = copy.deepcopy(ours.network).double()(batch().images.double())
    torch.testing.assert_close(ours.answer(batch().images).double(), expected, rtol=1e-5, atol=1e-6)
    ours.step(batch(), 0, 0, 0.0)  # which makes its twin
    ours.network.eval()
    answer = ours.answer(batch().images)
    expected = copy.deepcopy(ours.network).double()(batch().images.double())
    torch.testing.assert_close(answer.double(), expected, rtol=1e-5, atol=1e-6)
    assert answer.dtype is torch.float32
    assert not answer.requires_grad

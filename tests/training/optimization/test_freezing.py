"""What is frozen does not move by a bit, its batch norms included; what learns slower moves by exactly that share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convnets.core.hardware import choose_hardware
from convnets.data.batches import Batch
from convnets.errors import ConfigError, UnknownNameError
from convnets.models.catalogue import create_model
from convnets.training.config import TrainConfig
from convnets.training.learner import Learner
from convnets.training.optimization.freezing import check_freezing
from convnets.training.optimization.optimizers import build_optimizer

CPU = choose_hardware("cpu", "fp32")
PLAIN = TrainConfig(optimizer="sgd", learning_rate=0.1, momentum=0, schedule="constant", epochs=3, fast=False)


def network(seed: int = 0) -> nn.Module:
    return create_model("lenet_bn", num_classes=3, input_size=16, seed=seed)


def batch(number: int) -> Batch:
    generator = torch.Generator().manual_seed(number)
    images = torch.randn(8, 1, 16, 16, generator=generator)
    return Batch(images, torch.arange(8) % 3, torch.arange(8))


def trained(config: TrainConfig, epochs: int = 1, given: nn.Module | None = None) -> list[dict[str, Tensor]]:
    """State dicts before the first step and after each epoch of two steps."""
    learner = Learner(network() if given is None else given, config, CPU)
    states = [copied(learner.network)]
    for epoch in range(epochs):
        learner.start_epoch()
        for step in range(2):
            learner.step(batch(2 * epoch + step), epoch, step, 0.5)
        states.append(copied(learner.network))
    return states


def copied(given: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in given.state_dict().items()}


def moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_what_is_frozen_keeps_every_bit_and_its_statistics(fast: bool, optimizer: str) -> None:
    config = replace(
        PLAIN, freeze=("convolutions",), fast=fast, optimizer=optimizer, weight_decay=0.1, max_norm=0.1
    )
    before, after = trained(config)
    assert moved(before, after) == {name for name in before if not name.startswith("convolutions.")}


def test_the_twin_computes_what_the_network_does_beside_frozen_parts() -> None:
    config = replace(PLAIN, freeze=("convolutions.0", "convolutions.1"), freeze_epochs=1)
    plain, fast = trained(config, epochs=2)[-1], trained(replace(config, fast=True), epochs=2)[-1]
    for name in plain:
        torch.testing.assert_close(fast[name], plain[name], rtol=1e-4, atol=1e-5)


def test_a_frozen_norm_normalizes_as_in_evaluation() -> None:
    """The oracle is a network whose norm is an affine map with the moving statistics, written out."""

    class Affine(nn.Module):
        def __init__(self, norm: nn.BatchNorm2d) -> None:
            super().__init__()
            assert norm.running_mean is not None
            assert norm.running_var is not None
            scale = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
            self.register_buffer("scale", scale.view(-1, 1, 1))
            self.register_buffer("shift", (norm.bias.detach() - norm.running_mean * scale).view(-1, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            return x * self.scale + self.shift  # type: ignore[no-any-return, operator]

    def made(norm: nn.Module) -> nn.Sequential:
        torch.manual_seed(3)
        return nn.Sequential(nn.Conv2d(1, 4, 3), norm, nn.ReLU(), nn.Flatten(), nn.Linear(4 * 14 * 14, 3))

    norm = nn.BatchNorm2d(4)
    torch.manual_seed(4)
    for tensor in (norm.weight.data, norm.bias.data, norm.running_mean):
        assert tensor is not None
        tensor.copy_(torch.randn(4))
    expected = trained(PLAIN, 1, made(Affine(norm)))[-1]
    found = trained(replace(PLAIN, freeze=("1",)), 1, made(norm))[-1]
    for name in ("0.weight", "0.bias", "4.weight", "4.bias"):
        torch.testing.assert_close(found[name], expected[name])


def test_norms_without_weights_follow_the_part_that_they_stand_in() -> None:
    def made() -> nn.Module:
        torch.manual_seed(0)
        block = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4, affine=False))
        return nn.Sequential(block, nn.BatchNorm2d(4, affine=False), nn.Flatten(), nn.Linear(4 * 14 * 14, 3))

    before, after = trained(replace(PLAIN, freeze=("0",)), 1, made())
    assert moved(before, after) == {
        "1.running_mean",
        "1.running_var",
        "1.num_batches_tracked",
        "3.weight",
        "3.bias",
    }


def test_what_the_user_froze_before_stays_and_is_left_frozen() -> None:
    given = network()
    given.get_submodule("convolutions").requires_grad_(False)
    before, after = trained(PLAIN, 1, given)
    assert moved(before, after) == {name for name in before if not name.startswith("convolutions.")}
    assert not any(p.requires_grad for p in given.get_submodule("convolutions").parameters())


@pytest.mark.parametrize("fast", [False, True])
def test_the_last_layer_learns_alone_first_and_then_all_do(fast: bool) -> None:
    states = trained(replace(PLAIN, freeze_epochs=1, fast=fast, max_norm=0.1, ema_decay=0.5), epochs=3)
    assert moved(states[0], states[1]) == {"classifier.weight", "classifier.bias"}
    no_gradient = {
        name for name in states[0] if name.endswith(".bias")
    }  # before batch norm, but for rounding
    assert moved(states[1], states[2]) >= set(states[0]) - no_gradient
    assert moved(states[1], states[2]) & {n for n in states[0] if n.endswith("running_mean")}


def test_parameters_learn_as_before_once_a_run_is_over() -> None:
    given = network()
    learner = Learner(given, replace(PLAIN, freeze=("convolutions",), freeze_epochs=2), CPU)
    with learner.laid_out():
        learner.step(batch(0), 0, 0, 0.5)
        assert sum(p.requires_grad for p in given.parameters()) == 2
    assert all(p.requires_grad for p in given.parameters())


@pytest.mark.parametrize("bias_rate", [1.0, 8.0])
def test_the_backbone_s_steps_are_that_share_of_what_they_were(bias_rate: float) -> None:
    """Plain SGD's first step is proportional to the rate, so each parameter's change tells its rate."""
    config = replace(PLAIN, bias_rate=bias_rate, weight_decay=0.01)
    changes = []
    for share in (1.0, 0.25):
        learner = Learner(network(), replace(config, backbone_rate=share), CPU)
        before = copied(learner.network)
        learner.step(batch(0), 0, 0, 0.5)
        changes.append({n: p.detach() - before[n] for n, p in learner.network.named_parameters()})
    whole, part = changes
    for name in whole:
        share = 1.0 if name.startswith("classifier.") else 0.25
        torch.testing.assert_close(part[name], share * whole[name], rtol=1e-3, atol=1e-6)


def test_groups_are_as_they_were_without_a_backbone_rate() -> None:
    """States of runs saved before must load."""
    for optimizer in ("sgd", "adamw", "muon"):
        config = TrainConfig(optimizer=optimizer, bias_rate=2.0)
        given = network()
        weights = [p for p in given.parameters() if p.ndim >= 2]
        biases = [p for n, p in given.named_parameters() if p.ndim < 2 and n.endswith("bias")]
        others = [p for n, p in given.named_parameters() if p.ndim < 2 and not n.endswith("bias")]
        filters = [p for p in weights if p.ndim == 4] if optimizer == "muon" else []
        rest = [p for p in weights if not any(p is each for each in filters)]
        groups = [group["params"] for group in build_optimizer(given, config).param_groups]
        expected = [group for group in (filters, rest, others, biases) if group]
        assert [[id(p) for p in group] for group in groups] == [[id(p) for p in group] for group in expected]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"freeze": ("convolution",)}, UnknownNameError, "nearest: convolutions"),
        (
            {"freeze": ("*",)},
            ConfigError,
            r"freeze is \*, all of LeNetBatchNorm; allowed: patterns that leave",
        ),
        (
            {"freeze": ("classifier",), "freeze_epochs": 1},
            ConfigError,
            "the last layer is frozen; nothing would",
        ),
    ],
)
def test_what_cannot_be_frozen(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check_freezing(network(), TrainConfig(**options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"freeze_epochs": 4, "epochs": 3}, "freeze_epochs is 4 of 3 epochs; allowed: at most all"),
        ({"backbone_rate": 0.0}, "backbone_rate is 0.0; allowed: 1e-06 to 1,000"),
        ({"backbone_rate": 0.1, "objective": "triplet"}, "backbone_rate is 0.1 and objective triplet"),
        ({"freeze_epochs": 1, "objective": "triplet"}, "freeze_epochs is 1 and objective triplet"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**options)

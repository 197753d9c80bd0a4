"""The accelerated twin against the network itself: the same logits, gradients, statistics; and nothing else changes."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.acceleration.training import accelerate
from convnets.kernels.convolutions.convolution import ONEDNN, ConvolutionPlan, ConvolutionShape
from convnets.models.catalogue import create_model

# network, side, images: one of each architecture, small enough to be quick
NETWORKS = [
    ("softmax", 28, 4),
    ("mlp", 28, 4),
    ("lenet", 28, 5),
    ("lenet_bn", 28, 5),
    ("alexnet_d2l", 96, 2),
    ("vgg11_quarter", 64, 2),
    ("nin", 96, 2),
    ("googlenet", 64, 2),
    ("googlenet_bn", 64, 4),
    ("resnet18_d2l", 64, 3),
    ("resnet50", 64, 8),
    ("resnet20", 28, 4),
    ("densenet_d2l", 64, 3),
    ("densenet_bc100", 16, 2),
]


def always_onednn(shape: ConvolutionShape) -> ConvolutionPlan:
    return ONEDNN


def build(name: str, side: int) -> nn.Module:
    return create_model(name, in_channels=1, num_classes=10, input_size=side, seed=1)


def learn(
    network: nn.Module, forward: nn.Module, images: Tensor, targets: Tensor
) -> tuple[Tensor, list[Tensor]]:
    torch.manual_seed(5)  # dropout
    logits = forward(images)
    network.zero_grad()
    F.cross_entropy(logits, targets).backward()
    return logits.detach(), [p.grad.clone() for p in network.parameters() if p.grad is not None]


def distance(found: Tensor, truth: Tensor) -> float:
    return float((found.double() - truth).norm())


def error(found: Tensor, truth: Tensor) -> float:
    return distance(found, truth) / float(truth.norm())


def norm(tensors: list[Tensor]) -> float:
    return sum(float(t.square().sum()) for t in tensors) ** 0.5


@dataclass(frozen=True)
class Rounding:
    """How far the gradients of a batch are from those in double precision, parameter by parameter."""

    own: Tensor
    plain: Tensor
    unit: float
    """Norm of all gradients."""

    def small(self) -> bool:
        return bool((self.own <= 4 * self.plain + 1e-5 * self.unit).all())


def rounding(name: str, side: int, count: int, seed: int) -> Rounding:
    network = build(name, side).to(memory_format=torch.channels_last)
    other, exact = copy.deepcopy(network), copy.deepcopy(network).double()
    twin = accelerate(other, always_onednn)
    assert twin.obstacle is None
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(count, 1, side, side, generator=generator).to(memory_format=torch.channels_last)
    targets = torch.arange(count) % 10
    logits, gradients = learn(network, network, images, targets)
    twin_logits, twin_gradients = learn(other, twin.network, images, targets)
    exact_logits, exact_gradients = learn(exact, exact, images.double(), targets)
    assert len(twin_gradients) == len(gradients) == len(list(network.parameters()))
    assert error(twin_logits, exact_logits) <= 3 * error(logits, exact_logits) + 1e-5
    for (key, own), (_, reference) in zip(
        other.state_dict().items(), network.state_dict().items(), strict=True
    ):
        torch.testing.assert_close(own, reference, rtol=1e-4, atol=1e-5, msg=key)
    return Rounding(
        torch.tensor([distance(*pair) for pair in zip(twin_gradients, exact_gradients, strict=True)]),
        torch.tensor([distance(*pair) for pair in zip(gradients, exact_gradients, strict=True)]),
        norm(exact_gradients),
    )


@pytest.mark.parametrize(("name", "side", "count"), NETWORKS)
def test_the_twin_learns_the_same(name: str, side: int, count: int) -> None:
    # Small batches and many layers let single precision wander; the twin may wander no farther than the network. A
    # number that rounds to the other side of a ReLU's kink moves a gradient by a percent, in one of the two or in both:
    # then the best of several batches is compared, where a mistake of the twin would show all the same.
    found = [rounding(name, side, count, 3)]
    while not found[0].small() and len(found) < 8:
        found.append(rounding(name, side, count, 3 + len(found)))
    own, plain = (torch.stack([getattr(each, which) for each in found]).amin(0) for which in ("own", "plain"))
    best = Rounding(own, plain, min(each.unit for each in found))
    assert best.small(), (best.own / best.unit, best.plain / best.unit)


def test_weights_are_shared_and_the_network_is_left_as_it_is() -> None:
    network = create_model("lenet_bn", seed=0)
    kinds = [type(module) for module in network.modules()]
    names = list(network.state_dict())
    twin = accelerate(network, always_onednn)
    assert {id(p) for p in twin.network.parameters()} == {id(p) for p in network.parameters()}
    assert [type(module) for module in network.modules()] == kinds
    assert list(network.state_dict()) == names
    assert twin.fused == 4
    assert twin.convolutions == 2
    copy.deepcopy(network)


def test_chains_reach_over_the_sum_of_a_residual_block() -> None:
    twin = accelerate(create_model("resnet18_d2l"), always_onednn)
    assert twin.fused == 17  # each batch norm with what follows it
    assert twin.convolutions == 20
    left = {type(module).__name__ for module in twin.network.modules()}
    assert "MaxPool2d" not in left


def test_modes_are_shared_so_that_frozen_batch_norm_stays_frozen() -> None:
    network = create_model("resnet20", in_channels=1, seed=0)
    twin = accelerate(network, always_onednn).network
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    before = copy.deepcopy(network.state_dict())
    images = torch.rand(4, 1, 32, 32)
    torch.testing.assert_close(twin(images), network(images), rtol=1e-4, atol=1e-5)
    after = network.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_module_from_elsewhere_and_a_hook_are_left_alone() -> None:
    class Gamble(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if torch.rand(()) < 0.5 else -x

    network = nn.Sequential(nn.Conv2d(1, 2, 3), Gamble())
    twin = accelerate(network, always_onednn)
    assert twin.network is network
    assert twin.obstacle == "module '1' (Gamble) is of a class from elsewhere"
    hooked = create_model("lenet")
    hooked.classifier.register_forward_hook(lambda *_: None)
    assert accelerate(hooked, always_onednn).obstacle == "a hook is set on module 'classifier' (Linear)"


def test_each_shape_is_asked_for_once_and_the_last_smaller_batch_not_at_all() -> None:
    asked: list[ConvolutionShape] = []

    def plan(shape: ConvolutionShape) -> ConvolutionPlan:
        asked.append(shape)
        return ONEDNN

    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3, stride=2, padding=1))
    twin = accelerate(network, plan).network
    for count in (8, 8, 3, 8):
        twin(torch.rand(count, 1, 10, 10))
    assert [shape.batch for shape in asked] == [8, 8]
    twin(torch.rand(8, 1, 14, 14))
    assert [shape.height for shape in asked] == [10, 8, 14, 12]
    assert [shape.needs_input_gradient for shape in asked] == [False, True, False, True]

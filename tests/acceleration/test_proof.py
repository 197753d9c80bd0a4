"""Whatever changes what the modules compute: the twin computes the same, or the network itself is used."""

from __future__ import annotations

import copy
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from convnets.acceleration.inference import for_inference
from convnets.acceleration.proof import find_difference
from convnets.acceleration.training import accelerate
from convnets.kernels.convolutions.plan import ONEDNN
from convnets.layers import BatchNorm, Convolution, MaxPool

IMAGES = torch.rand(8, 1, 12, 12, generator=torch.Generator().manual_seed(0))


def known_layers(seed: int) -> nn.Sequential:
    """A random small network of PyTorch's layers and ours, without anything unusual."""
    generator = torch.Generator().manual_seed(seed)

    def pick(*options: Any) -> Any:
        return options[int(torch.randint(len(options), (), generator=generator))]

    torch.manual_seed(seed)
    width = pick(3, 4, 16)
    made: list[nn.Module] = [pick(nn.Conv2d(1, width, 3), Convolution(1, width, 3))]
    for _ in range(pick(1, 2)):
        made += pick([nn.BatchNorm2d(width)], [BatchNorm(width)], [])
        made += pick([nn.ReLU()], [nn.Tanh()], [nn.Sigmoid()], [nn.ReLU(inplace=True)], [nn.GELU()])
        made += pick([nn.MaxPool2d(2)], [MaxPool(2)], [nn.AvgPool2d(2, 1)], [])
        made += pick([nn.Conv2d(width, width, 1)], [nn.Conv2d(width, width, 3, padding=1)])
    return nn.Sequential(*made, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * width, 3))


def own_forward(module: nn.Module) -> None:
    before = module.forward
    module.forward = types.MethodType(lambda _self, x: before(x) * 1.5 + 0.1, module)  # type: ignore[method-assign]


def forward_hook(module: nn.Module) -> None:
    module.register_forward_hook(lambda _m, _x, y: y * 1.5 + 0.1)


def forward_pre_hook(module: nn.Module) -> None:
    module.register_forward_pre_hook(lambda _m, x: (x[0] * 1.5,))


def backward_hook(module: nn.Module) -> None:
    module.register_full_backward_hook(
        lambda _m, gradients, _y: tuple(None if g is None else 2 * g for g in gradients)
    )


def own_class(module: nn.Module) -> None:
    kind = type(module)
    module.__class__ = type(kind.__name__, (kind,), {"forward": lambda self, x: kind.forward(self, x) * 1.5})


def parametrized(module: nn.Module) -> None:
    if getattr(module, "weight", None) is not None and module.weight.dim() > 1:  # type: ignore[union-attr, operator]
        parametrizations.weight_norm(module)


def pruned(module: nn.Module) -> None:
    if getattr(module, "weight", None) is not None:
        prune.random_unstructured(module, "weight", 0.5)


def own_convolution(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        module._conv_forward = lambda x, w, b: F.conv2d(x, w * 1.5, b)  # type: ignore[method-assign]


def nothing(_module: nn.Module) -> None:
    pass


CHANGES = [
    nothing, own_forward, forward_hook, forward_pre_hook, backward_hook, own_class, parametrized, pruned,
    own_convolution,
]  # fmt: skip


def gradients(network: nn.Module, through: Callable[[Tensor], Tensor]) -> list[Tensor]:
    loss = (through(IMAGES.clone()) * torch.linspace(-1, 1, 24).view(8, 3)).sum()
    found = torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)
    return [torch.zeros(()) if gradient is None else gradient for gradient in found]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.integers(0, 10_000), st.sampled_from(CHANGES), st.floats(0, 0.999))
def test_fast_equals_plain_or_plain_is_used(
    seed: int, change: Callable[[nn.Module], None], place: float
) -> None:
    network = known_layers(seed)
    modules = list(network.modules())
    change(modules[int(place * len(modules))])
    network.train()
    twin = accelerate(network, lambda _: ONEDNN, IMAGES)
    if twin.obstacle is not None:
        assert twin.network is network
        assert change is not nothing
        return
    before = copy.deepcopy(network.state_dict())
    own, own_gradients = network(IMAGES), gradients(network, network)
    own_state = copy.deepcopy(network.state_dict())
    network.load_state_dict(before)
    torch.testing.assert_close(twin.network(IMAGES), own, rtol=1e-3, atol=1e-4)
    for found, expected in zip(gradients(network, twin.network), own_gradients, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-3)
    torch.testing.assert_close(network.state_dict(), own_state, rtol=1e-3, atol=1e-4)


ONLY_LAYERS = (parametrized, pruned, own_convolution)  # have weights to change


@pytest.mark.parametrize(
    ("change", "place"),
    [(change, "0") for change in CHANGES[1:]]
    + [(change, "") for change in CHANGES[1:] if change not in ONLY_LAYERS],
)
def test_the_reason_names_the_module(change: Callable[[nn.Module], None], place: str) -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(400, 3))
    module = network.get_submodule(place)
    change(module)
    twin = accelerate(network, lambda _: ONEDNN, IMAGES)
    assert twin.network is network
    assert twin.obstacle is not None
    assert ("'0'" if place else "Sequential") in twin.obstacle


def global_hook(_monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    handle = nn.modules.module.register_module_forward_hook(lambda _m, _x, y: y * 1.5)
    yield
    handle.remove()


def patched_class(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, x: F.relu(x) * 1.5)
    yield


def disguised_class(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A patch that looks like PyTorch's own function: only running it brings it to light."""

    def forward(self: nn.ReLU, x: Tensor) -> Tensor:
        return F.relu(x) * 1.5

    forward.__module__ = nn.ReLU.forward.__module__
    monkeypatch.setattr(nn.ReLU, "forward", forward)
    yield


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (global_hook, "a hook is set on all modules"),
        (patched_class, "forward of the class ReLU, that of module '2' (ReLU), was replaced"),
        (disguised_class, "it answers otherwise than its layers do"),
    ],
)
def test_what_is_changed_for_all_modules(change: Any, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(400, 3))
    with contextmanager(change)(monkeypatch):
        twin = accelerate(network, lambda _: ONEDNN, IMAGES)
        assert twin.network is network
        assert twin.obstacle is not None
        assert twin.obstacle.startswith(reason)
        own = network.eval()(IMAGES)
        torch.testing.assert_close(for_inference(network)(IMAGES), own, rtol=1e-4, atol=1e-5)
    monkeypatch.undo()
    assert accelerate(network, lambda _: ONEDNN, IMAGES).obstacle is None


def test_a_small_factor_is_no_rounding() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(144, 4), nn.Tanh(), nn.Linear(4, 3))
    assert find_difference(network, network, IMAGES) is None
    scaled = find_difference(network, lambda x: network(x) * 1.0005, IMAGES)
    assert scaled == "it answers otherwise than its layers do"


def test_only_the_gradient_differs() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(144, 3))

    def half(x: Tensor) -> Tensor:
        y = network(x)
        return y.detach() + (y - y.detach()) * 0.5

    assert find_difference(network, half, IMAGES) is not None


@pytest.mark.parametrize(("wrong", "found"), [({1}, False), ({1, 2}, True), ({1, 3}, True)])
def test_what_differs_once_in_three_is_rounding_at_a_kink(wrong: set[int], found: bool) -> None:
    network, calls = known_layers(0), [0]

    def twin(x: Tensor) -> Tensor:
        calls[0] += 1
        answer: Tensor = network(x)
        return answer * 1.001 if calls[0] in wrong else answer

    assert (find_difference(network, twin, IMAGES) is not None) == found


def test_the_proof_leaves_the_network_as_it_was() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.Linear(400, 3)
    )
    before = copy.deepcopy(network.state_dict())
    torch.manual_seed(2)
    expected = torch.rand(2)
    torch.manual_seed(2)
    assert accelerate(network, lambda _: ONEDNN, IMAGES).obstacle is None
    assert torch.equal(torch.rand(2), expected)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert all(module.training for module in network.modules())
    assert all(p.grad is None for p in network.parameters())


class TwoBranches(nn.Module):
    """A batch norm that two layers share."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.a, self.b, self.norm = first, second, nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.a(x)) + self.norm(self.b(x)))


TwoBranches.__module__ = TwoBranches.forward.__module__ = "convnets.tests"  # so that it is traced


def test_statistics_of_a_shared_batch_norm_move_in_the_order_of_its_calls() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        TwoBranches(nn.Conv2d(1, 4, 3), nn.Conv2d(1, 4, 3)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )
    exact = copy.deepcopy(network).double()
    twin = accelerate(network, lambda _: ONEDNN, IMAGES)
    assert twin.obstacle is None
    twin.network(IMAGES)
    norm, expected = network[0].norm, exact[0].norm
    for branch in (exact[0].a, exact[0].b):  # running ← 0.9 running + 0.1 of the batch, branch after branch
        y = branch(IMAGES.double())
        expected.running_mean.mul_(0.9).add_(0.1 * y.mean((0, 2, 3)))
        expected.running_var.mul_(0.9).add_(0.1 * y.var((0, 2, 3)))
    torch.testing.assert_close(norm.running_mean.double(), expected.running_mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(norm.running_var.double(), expected.running_var, rtol=1e-5, atol=1e-6)

"""A network's mark changes with what can be seen of it, and with it the look at its calls is taken anew."""

from __future__ import annotations

import functools
import gc
import types
import warnings
import weakref
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.explanation.attribution.guided import guided_backpropagation
from convnets.explanation.attribution.question import Question
from convnets.explanation.capture import calls as calls_module
from convnets.explanation.capture.calls import find_calls
from convnets.explanation.capture.network_mark import mark_network
from convnets.models.catalogue import create_model


@dataclass
class Settings:
    """Not frozen: what it says may change."""

    slope: float = 0.0


class Net(nn.Module):
    """Has attributes of many kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.head = nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Linear(3, 2)
        self.activation: Callable[[Tensor], Tensor] = F.relu
        self.scale, self.names, self.by_name = 1.0, ["a"], {"a": (1, 2)}
        self.power: Callable[[Tensor], Tensor] = functools.partial(torch.pow, exponent=1)
        self.register_buffer("shift", torch.zeros(1))
        self.table = torch.arange(3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.power(self.activation(self.relu(self.conv(x)) * self.scale + self.shift))
        return self.head(x.mean((2, 3)))


def other_forward(self: Net, x: Tensor) -> Tensor:
    return self.head(torch.sigmoid(self.conv(x)).mean((2, 3)))


def hook(module: nn.Module, given: object, output: Tensor) -> Tensor:
    return torch.tanh(output)


def replace_module(net: Net) -> None:
    net.relu = nn.Sigmoid()  # type: ignore[assignment]


def replace_by_the_like(net: Net) -> None:
    net.relu = nn.ReLU()


def use_another_function(net: Net) -> None:
    net.activation = F.gelu


def change_a_number(net: Net) -> None:
    net.scale = 2.0


def change_a_list(net: Net) -> None:
    net.names.append("b")


def change_inside_a_dict(net: Net) -> None:
    net.by_name["a"] = (1, 3)


def change_a_partial(net: Net) -> None:
    net.power = functools.partial(torch.pow, exponent=2)


def add_a_hook(net: Net) -> None:
    net.conv.register_forward_hook(hook)


def patch_forward(net: Net) -> None:
    net.forward = types.MethodType(other_forward, net)  # type: ignore[method-assign]


def freeze(net: Net) -> None:
    net.conv.weight.requires_grad_(False)


def change_type(net: Net) -> None:
    net.double()


def widen(net: Net) -> None:
    net.shift = torch.zeros(1, 3, 1, 1)


CHANGES = [
    *(replace_module, replace_by_the_like, use_another_function, change_a_number, change_a_list),
    *(change_inside_a_dict, change_a_partial, add_a_hook, patch_forward, freeze, change_type, widen),
]


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_that_can_be_seen_changes_the_mark(change: Callable[[Net], None]) -> None:
    net = Net()
    before = mark_network(net)
    assert before is not None
    assert mark_network(net.eval()) == before  # modes do not count
    with torch.no_grad():
        net.conv.weight.add_(1)  # nor do values of weights
    assert mark_network(net) == before
    change(net)
    assert mark_network(net) != before


def test_a_patched_class_changes_the_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Net()
    before = mark_network(net)
    monkeypatch.setattr(Net, "forward", other_forward)
    assert mark_network(net) != before


def test_what_cannot_be_seen_into_has_no_mark() -> None:
    net = Net()
    net.settings = Settings()  # type: ignore[assignment]
    assert mark_network(net) is None
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        assert mark_network(torch.jit.script(nn.Sequential(nn.Conv2d(1, 2, 3)))) is None


@pytest.mark.parametrize("name", ["lenet_bn", "resnet18_small", "googlenet", "densenet_d2l", "resnet20"])
def test_catalogue_networks_have_a_mark(name: str) -> None:
    network = create_model(name, in_channels=1, num_classes=2, seed=0)
    assert mark_network(network) == mark_network(network)
    assert mark_network(network) is not None


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The networks that were looked at, by a pass."""
    found: list[str] = []
    look = calls_module._look

    def noted(network: nn.Module, image: Tensor) -> calls_module.Calls:
        found.append(type(network).__name__)
        return look(network, image)

    monkeypatch.setattr(calls_module, "_look", noted)
    return found


@pytest.mark.parametrize("change", CHANGES)
def test_one_look_is_enough_until_something_changes(change: Callable[[Net], None], looks: list[str]) -> None:
    net, image = Net(), torch.randn(1, 1, 5, 5)
    first = find_calls(net, image)
    assert find_calls(net.eval(), image + 1) is first
    assert len(looks) == 1
    change(net)
    image = image.to(net.conv.weight.dtype)
    again = find_calls(net, image)
    assert len(looks) == 2
    assert again == calls_module._look(net, image)


def test_each_shape_has_a_look_of_its_own(looks: list[str]) -> None:
    net = Net()
    sizes = [5, 6, 5, 6, 7, 8, 9, 5]
    shapes = [find_calls(net, torch.zeros(1, 1, side, side)).all[0].shape for side in sizes]
    assert shapes == [(1, 3, side - 2, side - 2) for side in sizes]
    assert len(looks) == 6  # four are kept, and the first size was forgotten at the end


def test_networks_that_may_change_unseen_are_looked_at_each_time(looks: list[str]) -> None:
    net, image = Net(), torch.zeros(1, 1, 5, 5)
    net.settings = Settings()  # type: ignore[assignment]
    find_calls(net, image)
    find_calls(net, image)
    assert len(looks) == 2


class Undecided(nn.Module):
    """What it does depends on the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 3, 3), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.conv(x)
        maps = torch.relu(maps) if x.mean() > 0 else torch.sigmoid(maps)
        return self.head(maps.mean((2, 3)))


def test_a_network_that_looks_at_values_is_looked_at_each_time(looks: list[str]) -> None:
    net = Undecided()
    bright, dark = torch.ones(1, 1, 5, 5), -torch.ones(1, 1, 5, 5)
    found = [find_calls(net, image).operations["ReluBackward0"] for image in (bright, dark, bright)]
    assert found == [1, 0, 1]
    assert len(looks) == 3
    question = Question(net, bright, torch.zeros(1, dtype=torch.int64), None, find_calls(net, bright))
    assert guided_backpropagation(question).maps[""].shape == bright.shape


def test_what_is_remembered_keeps_no_network_alive() -> None:
    net = Net()
    find_calls(net, torch.zeros(1, 1, 5, 5))
    gone = weakref.ref(net)
    del net
    gc.collect()
    assert gone() is None


SQUARED = False


class Switched(nn.Module):
    """Its way depends on a setting of this file."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        return self.head(x.square() if SQUARED else x)


def test_settings_of_the_file_that_the_code_reads_are_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    network, image = Switched(), torch.zeros(1, 1, 2, 2)
    assert "PowBackward0" not in find_calls(network, image).operations
    monkeypatch.setitem(globals(), "SQUARED", True)
    assert "PowBackward0" in find_calls(network, image).operations

"""The choice of a compiler by measurement, with compilers whose speed is known."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from convnets.acceleration.compilation import Compile, choose_compilation
from convnets.acceleration.cuda_graph import Sums


class Clock:
    """Time that passes only when a network is called."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def slowed(self, seconds: float) -> Compile:
        def compile_network(network: nn.Module) -> Callable[[Tensor], Tensor]:
            def forward(images: Tensor) -> Tensor:
                self.now += seconds
                result: Tensor = network(images)
                return result

            return forward

        return compile_network


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))


IMAGES = torch.rand(4, 1, 6, 6)


def test_the_fastest_is_taken_and_the_network_is_left_as_it_was() -> None:
    clock, net = Clock(), network()
    before = copy.deepcopy(net.state_dict())
    ways = {"eager": clock.slowed(1.0), "compile": clock.slowed(0.5), "graphs": clock.slowed(0.7)}
    chosen = choose_compilation(net, IMAGES, ways, clock)
    assert chosen.way == "compile"
    assert chosen.seconds == pytest.approx({"eager": 1.0, "compile": 0.5, "graphs": 0.7})
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_measuring_takes_no_random_numbers_from_the_run() -> None:
    net = nn.Sequential(network(), nn.Dropout())
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    choose_compilation(net, IMAGES, {"eager": lambda module: module})
    assert torch.equal(torch.rand(4), expected)


def test_little_gain_is_not_worth_another_way() -> None:
    clock, net = Clock(), network()
    chosen = choose_compilation(net, IMAGES, {"eager": clock.slowed(1.0), "other": clock.slowed(0.97)}, clock)
    assert chosen.way == "eager"
    assert chosen.forward is net


@pytest.mark.parametrize(("steps", "way"), [(10, "eager"), (1000, "compile"), (None, "compile")])
def test_a_short_run_is_not_worth_a_compiler(steps: int | None, way: str) -> None:
    clock, net = Clock(), network()
    ways = {"eager": clock.slowed(1.0), "compile": clock.slowed(0.5)}
    assert choose_compilation(net, IMAGES, ways, clock, steps=steps).way == way


def test_what_was_recorded_is_what_is_measured_where_it_can_be() -> None:
    clock, net = Clock(), network()

    def record(compute: Callable[[], Sums]) -> tuple[Callable[[], None], Sums]:
        sums = compute()
        if clock.now > 1.5:
            raise RuntimeError("not while recording")

        def replay() -> None:
            clock.now += 0.3

        return replay, sums

    ways = {"eager": clock.slowed(1.0), "compile": clock.slowed(0.9)}
    chosen = choose_compilation(net, IMAGES, ways, clock, record)
    assert chosen.seconds == pytest.approx({"eager": 0.3, "compile": 0.9})


def test_a_batch_of_another_shape_is_not_compiled_again() -> None:
    clock, net = Clock(), network()
    ways = {"eager": clock.slowed(1.0), "compile": clock.slowed(0.1)}
    chosen = choose_compilation(net, IMAGES, ways, clock)
    before = clock.now
    chosen.forward(IMAGES[:3])
    assert clock.now == before
    chosen.forward(IMAGES)
    assert clock.now > before


def test_a_compiler_that_fails_is_left_out() -> None:
    def broken(_network: nn.Module) -> Callable[[Tensor], Tensor]:
        raise RuntimeError("no compiler")

    clock, net = Clock(), network()
    chosen = choose_compilation(net, IMAGES, {"eager": clock.slowed(1.0), "compile": broken}, clock)
    assert chosen.way == "eager"
    assert list(chosen.seconds) == ["eager"]


def test_pytorchs_compiler_computes_and_learns_the_same() -> None:
    net = network()
    clock = Clock()
    ways: dict[str, Compile] = {
        "eager": clock.slowed(1.0),
        "compile": lambda module: torch.compile(module, dynamic=False, backend="aot_eager"),
    }
    chosen = choose_compilation(net, IMAGES, ways, clock)
    assert chosen.way == "compile"
    twin = copy.deepcopy(net)
    chosen.forward(IMAGES).square().sum().backward()
    twin(IMAGES).square().sum().backward()
    for own, expected in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(own.grad, expected.grad)

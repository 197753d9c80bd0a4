"""Which kernel a trial chooses, by a clock that the test's kernels move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from convnets.kernels.convolutions import candidates
from convnets.kernels.convolutions.candidates import CANDIDATES, Candidate
from convnets.kernels.convolutions.shape import ConvolutionShape
from convnets.kernels.tuning.trial import choose, clock_for, measure

SHAPE = ConvolutionShape(2, 8, 6, 6, 4, (3, 3), dtype="fp32")


class FakeClock:
    """Stands still but for the kernels."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def enter(clock: FakeClock) -> Iterator[Callable[..., list[str]]]:
    """Leave only kernels that take the given seconds, and give what oneDNN's gives, changed by `spoil`."""
    genuine = {direction: table["onednn"].run for direction, table in CANDIDATES.items()}

    def enter(spoil: Callable[[Any], Any] = lambda y: y, **seconds: float) -> list[str]:
        calls: list[str] = []
        for direction, table in CANDIDATES.items():
            table.clear()
            for name, took in seconds.items():

                def run(
                    *operands: Any, name: str = name, took: float = took, direction: str = direction
                ) -> Any:
                    calls.append(f"{direction} {name}")
                    clock.now += took
                    result = genuine[direction](*operands)
                    return result if name == "onednn" else spoil(result)

                table[name] = Candidate(lambda _: True, run)
        return calls

    before = {direction: dict(table) for direction, table in CANDIDATES.items()}
    yield enter
    for direction, table in CANDIDATES.items():
        table.clear()
        table.update(before[direction])


def test_a_faster_kernel_is_chosen_and_times_are_kept(clock: FakeClock, enter: Any) -> None:
    enter(onednn=0.010, quick=0.004, quickest=0.002)
    plan = measure(SHAPE, clock)
    assert (plan.forward, plan.input_gradient, plan.weight_gradient) == ("quickest",) * 3
    for direction in CANDIDATES:
        assert plan.seconds[direction] == pytest.approx({"onednn": 0.01, "quick": 0.004, "quickest": 0.002})
    assert plan.dropped == {}


@pytest.mark.parametrize("took", [0.0097, 0.010, 0.020, 3.0])
def test_a_kernel_that_is_not_clearly_faster_is_not(clock: FakeClock, enter: Any, took: float) -> None:
    enter(onednn=0.010, other=took)
    plan = measure(SHAPE, clock)
    assert plan.forward == plan.input_gradient == plan.weight_gradient == "onednn"
    assert plan.seconds["forward"]["other"] == pytest.approx(took)


def test_a_wrong_kernel_is_dropped_however_fast(clock: FakeClock, enter: Any) -> None:
    def spoil(result: Any) -> Any:
        return (1.1 * result[0], result[1]) if isinstance(result, tuple) else 1.1 * result

    enter(spoil, onednn=0.010, wrong=0.001)
    plan = measure(SHAPE, clock)
    assert plan.forward == plan.input_gradient == plan.weight_gradient == "onednn"
    for direction in CANDIDATES:
        assert list(plan.seconds[direction]) == ["onednn"]
        assert plan.dropped[direction]["wrong"] == f"relative error 0.1 of {direction}, allowed 0.0001"


def test_a_wrong_onednn_is_not_chosen(clock: FakeClock, enter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(onednn=0.001, right=0.010)
    monkeypatch.setitem(
        candidates.FORWARD,
        "onednn",
        Candidate(lambda _: True, lambda x, *_: torch.zeros(2, 4, 4, 4)),
    )
    plan = measure(SHAPE, clock)
    assert plan.forward == "right"
    assert plan.dropped["forward"]["onednn"].startswith("relative error 1 ")


def test_a_kernel_that_fails_is_dropped_with_its_reason(clock: FakeClock, enter: Any) -> None:
    def fail(_: Any) -> Any:
        raise RuntimeError("could not create a primitive\nmore lines")

    enter(fail, onednn=0.001, failing=0.0)
    plan = measure(SHAPE, clock)
    assert plan.forward == "onednn"
    assert plan.dropped["forward"] == {"failing": "could not create a primitive"}


def test_the_first_layer_has_no_input_gradient(clock: FakeClock, enter: Any) -> None:
    calls = enter(onednn=0.010, quick=0.001)
    first = ConvolutionShape(**{**SHAPE.__dict__, "needs_input_gradient": False})
    plan = measure(first, clock)
    assert not any(call.startswith("input_gradient") for call in calls)
    assert set(plan.seconds) == {"forward", "weight_gradient"}
    assert plan.input_gradient == "onednn"


@pytest.mark.parametrize(("took", "runs"), [(1e-6, 26), (0.010, 12), (2.0, 4)])
def test_slow_shapes_are_run_less_often(clock: FakeClock, enter: Any, took: float, runs: int) -> None:
    calls = enter(onednn=took)
    measure(SHAPE, clock)
    assert abs(calls.count("forward onednn") - runs) <= 1


def test_kernels_that_are_far_behind_are_given_up(clock: FakeClock, enter: Any) -> None:
    calls = enter(onednn=0.010, slow=0.018, hopeless=1.0)
    measure(SHAPE, clock)
    assert calls.count("forward hopeless") == 1
    assert calls.count("forward slow") == 3
    assert calls.count("forward onednn") > 5


def test_a_large_batch_is_measured_by_a_part_and_scaled(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = ConvolutionShape(100_000, 8, 16, 16, 8, (3, 3), (1, 1), (1, 1), needs_input_gradient=False)
    genuine = candidates.FORWARD["onednn"].run
    seen = []

    def run(x: torch.Tensor, *operands: Any) -> torch.Tensor:
        seen.append(len(x))
        clock.now += len(x) * 1e-6
        return genuine(x, *operands)

    monkeypatch.setattr("convnets.kernels.tuning.trial._MACS", 1_000_000)
    monkeypatch.setitem(candidates.FORWARD, "onednn", Candidate(lambda _: True, run))
    plan = measure(large, clock)
    assert max(seen) < 100
    assert max(seen) % 8 == 0
    assert plan.seconds["forward"]["onednn"] == pytest.approx(0.1)


@pytest.mark.parametrize(("took", "chosen"), [(4e-5, "onednn"), (1e-5, "quick")])
def test_a_gain_smaller_than_the_way_there_is_left(
    clock: FakeClock, enter: Any, took: float, chosen: str
) -> None:
    """Three directions of 70 µs each: 90 µs saved are fewer than Python takes, 180 µs are more."""
    enter(onednn=7e-5, quick=took)
    assert measure(SHAPE, clock).forward == chosen


def test_one_lucky_run_decides_nothing() -> None:
    assert choose({"onednn": [1.0, 1.0, 1.0], "other": [0.5, 1.1, 1.1]}) == "onednn"
    assert choose({"onednn": [0.5, 1.1, 1.1], "other": [0.9, 0.9, 0.9]}) == "onednn"
    assert choose({"other": [2.0], "third": [1.0]}) == "third"
    assert choose({}) == "onednn"


def test_one_thread_is_timed_by_its_own_work() -> None:
    one, several = clock_for(1), clock_for(4)
    assert one() <= one()
    assert several() <= several()
    assert one is not several


def test_measuring_leaves_random_numbers_gradients_and_autocast_alone() -> None:
    before = torch.get_rng_state()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        plan = measure(SHAPE)
        assert torch.is_autocast_enabled("cpu")
    assert plan.dropped == {}
    assert torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), before)

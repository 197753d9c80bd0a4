"""Which runs may choose their number of threads, and what of it a run keeps."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import nn

from convnets.core.distributed.process_group import ALONE, ProcessGroup
from convnets.core.hardware import Hardware
from convnets.data.batches import Batch
from convnets.training.config import TrainConfig
from convnets.training.learner import Learner
from convnets.training.pace import choose_pace

LEFT_OPEN = Hardware(torch.device("cpu"), torch.float32, threads=2, paced=True)


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class Several:
    size = 2


@pytest.mark.parametrize(
    ("hardware", "config", "group", "expected"),
    [
        (LEFT_OPEN, TrainConfig(), ALONE, True),
        (replace(LEFT_OPEN, paced=False), TrainConfig(), ALONE, False),
        (replace(LEFT_OPEN, threads=1), TrainConfig(), ALONE, False),
        (LEFT_OPEN, TrainConfig(deterministic=True), ALONE, False),
        (LEFT_OPEN, TrainConfig(), cast("ProcessGroup", Several()), False),
    ],
    ids=["left open", "given", "one core", "deterministic", "several processes"],
)
def test_only_a_number_that_was_left_open_is_chosen(
    hardware: Hardware, config: TrainConfig, group: ProcessGroup, expected: bool
) -> None:
    assert choose_pace(hardware, config, group, lambda _: None).is_on is expected


def test_what_is_said_names_both_numbers_and_how_to_keep_one() -> None:
    said: list[str] = []
    pace = choose_pace(LEFT_OPEN, TrainConfig(), ALONE, said.append)
    assert pace._changed is not None
    pace._changed(2, 1, 3.14)
    pace._changed(1, 2, 1.2)
    assert "busy: training goes on with 1 thread, 3.1 times as fast as with 2" in said[0]
    assert "--threads 2" in said[0]
    assert "free again: training goes on with 2 threads, 1.2 times as fast as with 1" in said[1]
    for _ in range(5):
        pace._changed(2, 1, 3.14)
    assert len(said) == 3
    assert said[-1].endswith("; later changes are not reported")


def made_learner() -> Learner:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))
    return Learner(network, TrainConfig(optimizer="sgd", learning_rate=0.1), LEFT_OPEN)


def take_steps(learner: Learner, numbers: list[int]) -> None:
    images, labels = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(1)), torch.arange(8) % 3
    with learner.laid_out():
        for step, threads in enumerate(numbers, learner.steps):
            learner.pace.threads = threads
            learner.step(Batch(images, labels, torch.arange(8)), 0, step, 0.5)


def test_a_run_goes_on_with_the_threads_and_the_kernels_that_it_had() -> None:
    learner = made_learner()
    take_steps(learner, [2, 1])
    state = copy.deepcopy(learner.state_dict())
    assert state["threads"] == 1
    assert len([key for key in state["kernels"] if key.endswith(" on 1")]) == 1  # beside those of two threads
    assert len(state["kernels"]) == 2
    other = made_learner()
    other.load_state_dict(state)
    assert other.pace.threads == 1
    take_steps(learner, [1, 2])
    take_steps(other, [1, 2])
    for own, expected in zip(other.network.parameters(), learner.network.parameters(), strict=True):
        assert torch.equal(own, expected)


def test_threads_change_rounding_and_nothing_else() -> None:
    with_two, with_one = made_learner(), made_learner()
    take_steps(with_two, [2] * 6)
    take_steps(with_one, [2, 2, 1, 1, 2, 2])
    for one, two in zip(with_one.network.parameters(), with_two.network.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


def test_an_old_state_without_threads_is_read() -> None:
    learner = made_learner()
    take_steps(learner, [2])
    state = learner.state_dict()
    del state["threads"]
    made_learner().load_state_dict(state)

"""The network gets one thread while pictures are what it waits for, and all of them when it is the slower side."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import torch

from convnets.retrieval.building.thread_balance import ThreadBalance


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def threads_used(decoding: float, network: float, *, decoders: int = 2) -> list[int]:
    """Threads that the network had for each of six batches."""

    def pictures() -> Iterator[int]:
        for number in range(6):
            time.sleep(decoding)
            yield number

    balance, used = ThreadBalance(decoders), []
    for _ in balance.waiting_for(pictures()):
        with balance.working():
            used.append(torch.get_num_threads())
            time.sleep(network)
        assert torch.get_num_threads() == 2
    return used


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(
    ("decoding", "network", "decoders", "expected"),
    [
        (0.02, 0.001, 2, [1, 1, 1, 1, 1, 1]),
        (0.0, 0.02, 2, [1, 1, 1, 1, 2, 2]),
        (0.02, 0.001, 1, [2, 2, 2, 2, 2, 2]),
    ],
    ids=["slow pictures", "slow network", "pictures in memory"],
)
def test_the_slower_side_gets_the_cores(
    decoding: float, network: float, decoders: int, expected: list[int]
) -> None:
    assert threads_used(decoding, network, decoders=decoders) == expected


@pytest.mark.usefixtures("two_threads")
def test_an_error_leaves_the_threads_as_they_were() -> None:
    balance = ThreadBalance(2)
    with pytest.raises(ValueError, match="broken"), balance.working():
        raise ValueError("broken")
    assert torch.get_num_threads() == 2

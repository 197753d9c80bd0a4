"""What torchrun's environment says, and that a process alone is left as it is."""

from __future__ import annotations

import sys

import pytest
import torch

from convnets.core.distributed.join import join_process_group
from convnets.core.distributed.process_group import (
    ALONE,
    local_rank_in_environment,
    rank_in_environment,
    size_in_environment,
    threads_in_environment,
)
from convnets.errors import ConfigError

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "OMP_NUM_THREADS", "TORCHELASTIC_RUN_ID")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)


def test_alone_nothing_changes() -> None:
    with join_process_group(1) as group:
        assert group is ALONE
        tensor = torch.ones(2)
        assert group.sum(tensor) is tensor
        assert group.total(3) == 3
        assert group.purpose == ()
        error = RuntimeError("Connection closed by peer")
        assert group.cause_of(error) is error
    assert "convnets.core.distributed.joined_process_group" not in sys.modules or rank_in_environment() == 0
    assert (rank_in_environment(), size_in_environment(), local_rank_in_environment()) == (0, 1, 0)
    assert threads_in_environment(8) is None


def test_the_cores_are_shared_out_where_nobody_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert threads_in_environment(8) == 4
    assert threads_in_environment(1) == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert threads_in_environment(8) is None
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "7")  # torchrun's own choice
    assert threads_in_environment(8) == 4
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads_in_environment(8) is None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("WORLD_SIZE", "two", "WORLD_SIZE is 'two'; allowed: a whole number"),
        ("WORLD_SIZE", "2", "WORLD_SIZE is 2 and RANK is not set; start with torchrun"),
    ],
)
def test_half_an_environment_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message), join_process_group(1):
        pass

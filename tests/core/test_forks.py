"""Workers that are forked collect none of the parent's garbage."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from convnets.core.forks import start_workers

pytestmark = [
    pytest.mark.usefixtures("forked_workers"),
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
]


class Cycle:
    """Garbage that says which process collects it."""

    def __init__(self, told: Path) -> None:
        self.told, self.itself = told, self

    def __del__(self) -> None:
        with self.told.open("a") as file:
            file.write(f"{os.getpid()}\n")


class Collecting(Dataset[Tensor]):
    """Each item collects garbage where it is made."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Tensor:
        gc.collect()
        return torch.tensor(index)


def items_beside_garbage(told: Path, *, frozen: bool) -> set[int]:
    """Reads all items while there is garbage in the parent; the processes that collected it."""
    gc.collect()
    frozen_by_python = gc.get_freeze_count()  # 3.12 sets some objects aside when it collects
    gc.disable()  # the parent's own moment is the end of this function
    try:
        Cycle(told)
        loader = DataLoader(Collecting(), num_workers=1, batch_size=None)
        items = list(start_workers(loader) if frozen else loader)
        assert [int(item) for item in items] == [0]
        assert gc.get_freeze_count() <= frozen_by_python
    finally:
        gc.enable()
        gc.collect()
    return {int(line) for line in told.read_text().splitlines()}


def test_garbage_is_collected_by_the_parent_alone(tmp_path: Path) -> None:
    assert items_beside_garbage(tmp_path / "told", frozen=True) == {os.getpid()}


def test_without_it_workers_collect_it_too(tmp_path: Path) -> None:
    assert len(items_beside_garbage(tmp_path / "told", frozen=False)) == 2

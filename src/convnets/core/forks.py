"""Processes that are forked: what of the parent's they must leave alone."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader

__all__ = ["start_workers"]


def start_workers(loader: DataLoader[Any]) -> Iterator[Any]:
    """The loader's items, from workers that collect none of the parent's garbage.

    A forked worker has a copy of every object of its parent and none of its threads. Where the garbage holds an
    object whose destructor waits for a thread, such as a process group that was left, a worker that collects it
    waits for ever. Objects that are frozen (`gc.freeze`) at the fork are never looked at in the worker.

    >>> import torch
    >>> [int(item) for item in start_workers(DataLoader(torch.arange(2), batch_size=None))]
    [0, 1]
    """
    gc.freeze()
    try:
        return iter(loader)
    finally:
        gc.unfreeze()

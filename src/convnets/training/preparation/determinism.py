"""Deterministic algorithms, where a run asks for them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch

from convnets.errors import TrainingError

__all__ = ["deterministic_algorithms", "without_deterministic_way"]


@contextlib.contextmanager
def deterministic_algorithms(wanted: bool) -> Iterator[None]:
    """PyTorch's deterministic algorithms inside the block, where they are wanted; an operation without one raises."""
    before = torch.are_deterministic_algorithms_enabled()
    if not wanted or before:  # asking alone would load PyTorch's compiler, a second or two
        yield
        return
    os.environ.setdefault(
        "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
    )  # cuBLAS asks for it, and reads it at its first call
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def without_deterministic_way(error: BaseException) -> TrainingError | None:
    """PyTorch's refusal of an operation that is not deterministic, in one line; None for any other error."""
    if not isinstance(error, RuntimeError) or "does not have a deterministic implementation" not in str(
        error
    ):
        return None
    operation = str(error).split()[0]
    return TrainingError(f"{operation} has no deterministic way on this device; leave deterministic out")

"""Whether an error says that memory did not suffice."""

from __future__ import annotations

import torch

from convnets.errors import TrainingError

__all__ = ["is_out_of_memory", "shortage"]

_SIGNS = ("can't allocate memory", "not enough memory", "out of memory")  # of PyTorch's allocators


def is_out_of_memory(error: BaseException) -> bool:
    """True for MemoryError, PyTorch's own OutOfMemoryError, and what its processor allocator raises.

    >>> is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried …"))
    True
    >>> is_out_of_memory(RuntimeError("shapes cannot be multiplied"))
    False
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def shortage(images: int, parts: int) -> TrainingError:
    """What a process of several says, which cannot split its batch without the others."""
    return TrainingError(
        f"memory did not suffice for {images} images in {parts} part{'s' * (parts != 1)}; with several processes "
        f"batches are not split by themselves: go on with --accumulate {2 * parts} or a smaller batch_size"
    )

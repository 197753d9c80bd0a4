"""Where tensors live, by the book's names."""

from __future__ import annotations

from collections.abc import Sequence

import torch

__all__ = ["Devices", "cpu", "device_list", "gpu", "num_gpus", "try_all_gpus", "try_gpu"]

Devices = torch.device | str | Sequence[torch.device | str]
"""One device, or several."""


def device_list(devices: Devices) -> list[torch.device]:
    """One device as a list of one, and names as devices.

    >>> device_list("cpu"), device_list([cpu()])
    ([device(type='cpu')], [device(type='cpu')])
    """
    given = [devices] if isinstance(devices, torch.device | str) else list(devices)
    return [torch.device(each) for each in given]


def cpu() -> torch.device:
    """The processor."""
    return torch.device("cpu")


def gpu(i: int = 0) -> torch.device:
    """The graphics card number `i`: CUDA's, or Apple's where that is what there is."""
    if not torch.cuda.is_available() and torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device(f"cuda:{i}")


def num_gpus() -> int:
    """How many graphics cards there are."""
    if torch.cuda.is_available():
        return torch.cuda.device_count()
    return int(torch.backends.mps.is_available())


def try_gpu(i: int = 0) -> torch.device:
    """`gpu(i)` if there is one, else the processor.

    >>> isinstance(try_gpu(99), torch.device)
    True
    """
    return gpu(i) if num_gpus() > i else cpu()


def try_all_gpus() -> list[torch.device]:
    """All graphics cards, or a list of the processor alone."""
    return [gpu(i) for i in range(num_gpus())] or [cpu()]

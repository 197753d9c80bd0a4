"""Seeds: every random number of a run is a pure function of (seed, what it is for, epoch, step).

Nothing random is carried from one step to the next, so a run can be continued at any step, and the order
of the samples does not depend on the number of workers.
"""

from __future__ import annotations

import hashlib

import torch

__all__ = ["derive_seed", "generator_for", "seed_device"]


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed that depends on `seed` and on every part of `purpose`, and on nothing else.

    >>> derive_seed(0, "order", 3) == derive_seed(0, "order", 3)
    True
    >>> derive_seed(0, "order", 3) == derive_seed(0, "order", 4)
    False
    """
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator_for(seed: int, *purpose: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator on `device`, seeded by `derive_seed(seed, *purpose)`."""
    return torch.Generator(device=device).manual_seed(derive_seed(seed, *purpose))


def seed_device(seed: int, device: torch.device) -> None:
    """Seed PyTorch's own generators of the processor and of `device`, as `torch.manual_seed` does, and no others.

    That one notes for each kind of device which is not there where it was called from: a quarter of a millisecond,
    which is much beside the step of a small network.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)

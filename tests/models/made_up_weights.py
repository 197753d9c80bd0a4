"""Weights and images that are a formula of their name and shape: the same on every machine, without randomness."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

# a prime, so that repeating the numbers never lines up with the rows of a weight
_PERIOD = 1_048_573


def uniform(name: str, count: int) -> np.ndarray:
    """`count` float32 numbers in [−1, 1): SplitMix64's mixing of a counter that starts at a hash of `name`."""
    start = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
    with np.errstate(over="ignore"):
        z = np.uint64(start) + np.arange(min(count, _PERIOD), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return np.resize((z >> np.uint64(40)).astype(np.float32) / np.float32(2**23) - np.float32(1), count)


def tensor(name: str, shape: Sequence[int]) -> Tensor:
    """A weight of such a size that signals neither die nor explode, a bias, or a statistic of batch norm."""
    if name.endswith("num_batches_tracked"):
        return torch.tensor(7)
    drawn = torch.from_numpy(uniform(name, math.prod(shape))).reshape(tuple(shape))
    if len(shape) > 1:
        return drawn * math.sqrt(6 / math.prod(shape[1:]))
    if name.endswith("running_var"):
        return 1 + drawn / 2
    return (1 if name.endswith("weight") else 0) + drawn / 10


def fill(shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """A state dict of made-up tensors for these names and shapes."""
    return {name: tensor(name, shape) for name, shape in shapes.items()}


def made_up_images(count: int, channels: int, side: int) -> Tensor:
    """N×C×H×W, values in [−1, 1)."""
    return tensor("images", (count, channels, side, side)) / math.sqrt(6 / (channels * side * side))

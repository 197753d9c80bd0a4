"""What tests of kernels share."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import pytest
import torch

from convnets.kernels.compiled import compiled_kernels, why_not_compiled


@pytest.fixture
def native_kernels() -> ctypes.CDLL:
    """The compiled library; without one the test is skipped with the reason. Random numbers are always the same."""
    library = compiled_kernels()
    if library is None:
        pytest.skip(f"no native kernels: {why_not_compiled()}")
    torch.manual_seed(20)
    return library


@pytest.fixture
def restored_threads() -> Iterator[None]:
    """The test may set the number of threads."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)

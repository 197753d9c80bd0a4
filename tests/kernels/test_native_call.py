"""Sizes and functions of the native convolutions."""

from __future__ import annotations

import ctypes

import pytest
import torch

from convnets.errors import InputError
from convnets.kernels import native_call
from convnets.kernels.native_call import address, as_rows, geometry, native_function


def test_the_numbers_of_a_geometry() -> None:
    found = list(geometry((2, 3, 8, 9), (5, 3, 3, 2), (2, 1), (1, 0)))
    assert found == [2, 8, 9, 3, 4, 8, 5, 3, 2, 2, 1, 1, 0, torch.get_num_threads()]
    with pytest.raises(InputError, match="3 channels and the weight 4; they must be equal"):
        geometry((2, 3, 8, 9), (5, 4, 3, 2), (1, 1), (0, 0))


def test_rows_are_copied_only_where_they_must_be() -> None:
    last = torch.rand(2, 5, 4, 3).permute(0, 3, 1, 2)
    assert as_rows(last).data_ptr() == last.data_ptr() == address(last).value
    assert as_rows(last.contiguous()).tolist() == last.permute(0, 2, 3, 1).tolist()
    assert address(None).value is None


def test_a_function_returns_nothing_and_needs_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    if native_call.compiled_kernels() is not None:
        assert native_function("pointwise_backward").restype is None
    monkeypatch.setattr(native_call, "compiled_kernels", lambda: None)
    with pytest.raises(InputError, match="no native kernels here; ask `applies` first"):
        native_function("pointwise_backward")
    monkeypatch.setattr(native_call, "compiled_kernels", lambda: ctypes.CDLL(None))
    with pytest.raises(AttributeError):
        native_function("convnets_no_such_function")

"""The structure that the native pointwise kernels are given."""

from __future__ import annotations

import ctypes

import pytest
import torch

from convnets.kernels.compiled import compiled_kernels
from convnets.kernels.pointwise_call import PointwiseCall, call_for
from convnets.kernels.pooling import Pooling


def test_python_and_c_agree_on_its_size() -> None:
    library = compiled_kernels()
    if library is None:
        pytest.skip("no native kernels here")
    library.pointwise_call_size.restype = ctypes.c_int64
    assert library.pointwise_call_size() == ctypes.sizeof(PointwiseCall)


def test_sizes_of_the_maps_and_of_the_result() -> None:
    call = call_for(
        torch.empty(2, 6, 9, 11, dtype=torch.bfloat16), "gelu", Pooling("average", (3, 2), 2, (1, 0))
    )
    assert (call.images, call.channels, call.height, call.width) == (2, 6, 9, 11)
    assert (call.pooled_height, call.pooled_width, call.kernel_height, call.kernel_width) == (5, 5, 3, 2)
    assert (call.is_bfloat16, call.activation, call.pooling, call.normalized) == (1, 4, 2, 0)
    assert not call.x

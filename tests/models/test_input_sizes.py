"""Which sizes fit a head: shape arithmetic against PyTorch's own layers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from convnets.errors import ConfigError
from convnets.models.input_sizes import InputSizes, Window, side_after, smallest_side

# PyTorch's pooling asks for padding of at most half the kernel
WINDOW = st.integers(1, 7).flatmap(lambda k: st.tuples(st.just(k), st.integers(1, 4), st.integers(0, k // 2)))


def measured_side(side: int, windows: list[Window]) -> int:
    """Side after real convolutions; 0 where one of them refuses."""
    x = torch.empty(1, 1, side, side, device="meta")
    try:
        for kernel, stride, padding in windows:
            x = nn.Conv2d(1, 1, kernel, stride, padding, device="meta")(x)
    except RuntimeError:
        return 0
    return x.shape[-1]


@given(st.lists(WINDOW, max_size=4), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_side_after_is_what_convolutions_leave(windows: list[Window], side: int) -> None:
    assert side_after(side, windows) == measured_side(side, windows)


@given(st.lists(WINDOW, max_size=4), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_smallest_side_is_the_first_that_suffices(windows: list[Window], result: int) -> None:
    found = next(side for side in range(1, 10_000) if side_after(side, windows) >= result)
    assert smallest_side(windows, result) == found


@given(st.lists(WINDOW, min_size=1, max_size=3), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_a_head_takes_the_sizes_that_leave_the_same_map(windows: list[Window], size: int) -> None:
    side = side_after(size, windows)
    if side == 0:
        with pytest.raises(ConfigError, match=f"input_size is {size}; .* at least {smallest_side(windows)}"):
            InputSizes.for_head(windows, size)
        return
    sizes = InputSizes.for_head(windows, size)
    fitting = [s for s in range(1, 200) if side_after(s, windows) == side]
    assert (sizes.smallest, sizes.largest, sizes.built_for) == (fitting[0], fitting[-1], size)

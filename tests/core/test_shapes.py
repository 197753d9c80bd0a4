"""The sliding-window formula against counting windows one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from convnets.core.shapes import window_output_size


@given(
    size=st.integers(1, 60),
    kernel=st.integers(1, 11),
    stride=st.integers(1, 5),
    padding=st.integers(0, 5),
    dilation=st.integers(1, 3),
)
def test_equals_the_number_of_windows_that_fit(
    size: int, kernel: int, stride: int, padding: int, dilation: int
) -> None:
    extent = dilation * (kernel - 1) + 1
    padded = size + 2 * padding
    windows = sum(1 for start in range(0, padded, stride) if start + extent <= padded)
    assert max(0, window_output_size(size, kernel, stride, padding, dilation)) == windows

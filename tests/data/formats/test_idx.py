"""IDX files, against bytes put together by hand."""

from __future__ import annotations

import struct

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from convnets.data.formats.idx import read_idx
from convnets.errors import DataError


def idx(magic: int, sizes: list[int], body: bytes) -> bytes:
    return struct.pack(f">{1 + len(sizes)}I", magic, *sizes) + body


@given(st.lists(st.integers(0, 4), min_size=1, max_size=3), st.data())
def test_values_come_back_in_order(sizes: list[int], data: st.DataObject) -> None:
    count = 1
    for size in sizes:
        count *= size
    body = data.draw(st.binary(min_size=count, max_size=count))
    tensor = read_idx(idx(0x0800 + len(sizes), sizes, body), "x", len(sizes))
    assert tensor.shape == tuple(sizes)
    assert tensor.flatten().tolist() == list(body)


def test_the_tensor_owns_its_bytes() -> None:
    content = idx(2049, [2], b"\1\2")
    read_idx(content, "x", 1).add_(1)
    assert content[-2:] == b"\1\2"


@pytest.mark.parametrize(
    ("content", "ndim", "said"),
    [
        (idx(2049, [3], b"abc"), 3, ["11 bytes", "16"]),
        (idx(2049, [60_000, 28, 28], b""), 3, ["2049", "0x00000801", "2051"]),
        (idx(0x0D03, [1, 1, 1], b"\0" * 4), 3, ["3331", "2051"]),
        (idx(2051, [2, 3, 3], b"\0" * 17), 3, ["2 × 3 × 3 = 18", "17 follow"]),
        (idx(2049, [5], b"\0" * 6), 1, ["5 = 5", "6 follow"]),
        (idx(2051, [2**32 - 1] * 3, b""), 3, [str((2**32 - 1) ** 3), "0 follow"]),
    ],
)
def test_wrong_headers_show_their_numbers(content: bytes, ndim: int, said: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        read_idx(content, "train-images", ndim)
    for expected in ["train-images", *said]:
        assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", range(4 + 4 + 3))
def test_every_truncation_is_noticed(length: int) -> None:
    with pytest.raises(DataError):
        read_idx(idx(2049, [3], b"abc")[:length], "labels", 1)


def test_the_type_is_unsigned_bytes() -> None:
    assert read_idx(idx(2049, [1], b"\xff"), "x", 1).dtype == torch.uint8

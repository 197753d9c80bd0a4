"""A picture that goes bad in the middle of an epoch: strict names the file; `skip_corrupt` counts and caps."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from convnets.data.batches import Batch, Batches
from convnets.data.decode import drop_unreadable
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.data.sources import load_data
from convnets.errors import DataError, ImageDecodeError

PREPROCESS = Preprocess.plain(3, 8)
Streamed = Callable[..., ImageSet]


@pytest.fixture
def streamed(make_tree: Callable[..., Path], picture: Callable[..., bytes]) -> Streamed:
    """`streamed(bad)`: 2 × 8 pictures in files, red value 10 · index; those at `bad` are cut off JPEGs."""

    def make(bad: tuple[int, ...], content: bytes | None = None) -> ImageSet:
        files = {}
        for index in range(16):
            whole = picture((10 * index, 0, 0), (8, 8), format="PNG")
            files[f"{'ab'[index // 8]}/{index:02}.png"] = (content or whole[:-30]) if index in bad else whole
        return load_data(make_tree(files)).train

    return make


def red(batch: Batch) -> list[int]:
    return [round(float(value) * 25.5) for value in batch.images[:, 0, 0, 0]]


@pytest.mark.parametrize("workers", [0, 2])
def test_strict_names_the_file_and_the_reason(streamed: Streamed, workers: int) -> None:
    epoch = Batches(streamed((9,)), PREPROCESS, 4, workers=workers).epoch()
    seen = [*next(epoch).indices.tolist(), *next(epoch).indices.tolist()]
    with pytest.raises(ImageDecodeError, match=r"b/09\.png: .*; replace the file or remove it") as caught:
        next(epoch)
    assert "\n" not in str(caught.value)
    assert seen == list(range(8))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("shuffle", [False, True])
def test_skip_leaves_out_the_picture_and_nothing_else(
    streamed: Streamed, workers: int, shuffle: bool
) -> None:
    batches = Batches(
        streamed((1, 9, 10)), PREPROCESS, 4, workers=workers, shuffle=shuffle, seed=3, skip_corrupt=3
    )
    for epoch in range(3):  # the same three each epoch: they count once
        found = list(batches.epoch(epoch))
        assert len(found) == len(batches) == 4
        order = [index for index in batches.order(epoch).tolist() if index not in (1, 9, 10)]
        assert [index for batch in found for index in batch.indices.tolist()] == order
        for batch in found:
            assert red(batch) == batch.indices.tolist()
            assert batch.targets.tolist() == [int(index >= 8) for index in batch.indices]
    assert sorted(batches.left_out) == [1, 9, 10]


def test_one_more_than_the_cap_ends_it(streamed: Streamed) -> None:
    batches = Batches(streamed((1, 9, 10)), PREPROCESS, 4, skip_corrupt=2)
    with pytest.raises(DataError, match=r"more than 2 pictures cannot be decoded .*; the last: .*b/10\.png"):
        list(batches.epoch())


def test_each_is_said_once(streamed: Streamed, caplog: pytest.LogCaptureFixture) -> None:
    batches = Batches(streamed((1, 9)), PREPROCESS, 4, skip_corrupt=5)
    with caplog.at_level(logging.WARNING):
        for epoch in range(3):
            list(batches.epoch(epoch))
    said = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert len(said) == 2
    assert "a/01.png" in said[0]


def test_an_epoch_that_is_entered_in_the_middle_is_the_same_from_there_on(streamed: Streamed) -> None:
    images = streamed((1, 9, 10))
    whole = list(Batches(images, PREPROCESS, 4, shuffle=True, skip_corrupt=3).epoch(1))
    rest = list(Batches(images, PREPROCESS, 4, shuffle=True, skip_corrupt=3, workers=2).epoch(1, start=2))
    for before, after in zip(whole[2:], rest, strict=True):
        assert torch.equal(before.indices, after.indices)
        assert torch.equal(before.images, after.images)


def test_a_batch_with_one_picture_left_holds_it_twice_in_training_only(streamed: Streamed) -> None:
    images = streamed(tuple(range(16))[:15])
    (batch,) = Batches(images, PREPROCESS, 16, shuffle=True, skip_corrupt=15).epoch()
    assert batch.indices.tolist() == [15, 15]
    (batch,) = Batches(images, PREPROCESS, 16, skip_corrupt=15).epoch()
    assert batch.indices.tolist() == [15]


def test_a_batch_without_any_readable_picture_is_an_error(streamed: Streamed) -> None:
    batches = Batches(streamed((4, 5, 6, 7)), PREPROCESS, 4, skip_corrupt=16)
    with pytest.raises(DataError, match=r"no picture of a batch can be decoded; the first: .*a/04\.png"):
        list(batches.epoch())


def test_a_picture_that_goes_bad_between_two_epochs_is_left_out_from_then_on(
    streamed: Streamed, tmp_path: Path
) -> None:
    batches = Batches(streamed(()), PREPROCESS, 4, skip_corrupt=1)
    assert sum(len(batch.indices) for batch in batches.epoch(0)) == 16
    (tmp_path / "set" / "a" / "03.png").write_bytes(b"<html>")
    assert sum(len(batch.indices) for batch in batches.epoch(1)) == 15
    assert batches.left_out == [3]


def test_parts_to_judge_by_lose_what_cannot_be_read_before_the_first_evaluation(streamed: Streamed) -> None:
    images = streamed((0, 15))
    kept = drop_unreadable(images, PREPROCESS, skip_corrupt=2)
    assert not kept.resident
    assert kept.class_counts() == {"a": 7, "b": 7}
    with pytest.raises(DataError, match="more than 1 pictures"):
        drop_unreadable(images, PREPROCESS, skip_corrupt=1)
    with pytest.raises(ImageDecodeError, match=r"a/00\.png"):
        drop_unreadable(images, PREPROCESS, skip_corrupt=0)

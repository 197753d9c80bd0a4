"""Batches are a pure function of seed, epoch and step."""

from __future__ import annotations

import pickle
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from convnets.data.augmentation.augment import parse_augmentations
from convnets.data.augmentation.mixing import Mixup
from convnets.data.batches import Batches
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, ImageDecodeError


class MadeUpFiles:
    """Pictures of random size that a worker process can decode; those in `broken` cannot be."""

    def __init__(self, indices: Sequence[int], broken: frozenset[int] = frozenset()) -> None:
        self.indices, self.broken = list(indices), broken
        self.names = [f"{index}.png" for index in self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def open(self, index: int) -> Image.Image:
        number = self.indices[index]
        if number in self.broken:
            raise ImageDecodeError(f"{number}.png cannot be decoded")
        return Image.new("L", (8 + number % 3, 8), color=number * 7 % 256)

    def subset(self, indices: Sequence[int]) -> MadeUpFiles:
        return MadeUpFiles([self.indices[i] for i in indices], self.broken)

    def content_hash(self) -> str:
        return str(self.indices)


def resident(n: int) -> ImageSet:
    pixels = torch.randint(256, (n, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(n))
    return ImageSet(pixels, torch.arange(n) % 2, ("even", "odd"), "made up")


def streamed(n: int, broken: frozenset[int] = frozenset()) -> ImageSet:
    return ImageSet(MadeUpFiles(range(n), broken), torch.arange(n) % 2, ("even", "odd"), "made up files")


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 40), batch_size=st.integers(1, 12), shuffle=st.booleans())
def test_an_epoch_shows_every_image_once_and_never_one_alone_at_the_end(
    n: int, batch_size: int, shuffle: bool
) -> None:
    images = resident(n)
    batches = Batches(images, Preprocess.plain(1, 8), batch_size, shuffle=shuffle, seed=3)
    found = list(batches.epoch(1))
    assert len(found) == len(batches)
    seen = torch.cat([batch.indices for batch in found])
    assert sorted(seen.tolist()) == list(range(n))
    if batch_size > 1 and n > 1:
        assert min(len(batch.indices) for batch in found) > 1
    for batch in found:
        torch.testing.assert_close(batch.images, images.pixels[batch.indices].float() / 255)
        assert torch.equal(batch.targets, images.labels[batch.indices])


def test_an_epoch_can_be_entered_at_any_step() -> None:
    batches = Batches(
        resident(33),
        Preprocess.plain(1, 8),
        4,
        shuffle=True,
        seed=5,
        augment=parse_augmentations(["flip", "crop", "erasing"]),
        mixing=Mixup(0.4),
    )
    whole = list(batches.epoch(2))
    for start in range(len(whole)):
        for late, early in zip(batches.epoch(2, start), whole[start:], strict=True):
            assert torch.equal(late.images, early.images)
            assert torch.equal(late.targets, early.targets)
            assert torch.equal(late.indices, early.indices)


def test_epochs_and_seeds_differ() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return Batches(resident(50), Preprocess.plain(1, 8), 4, shuffle=True, seed=seed).order(epoch).tolist()

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)


@pytest.mark.parametrize("workers", [0, 2])
def test_files_are_decoded_to_the_same_batches_by_any_number_of_workers(workers: int) -> None:
    files, preprocess = streamed(11), Preprocess(1, 6, 7, (0.2,), (0.5,))
    stored = torch.stack([preprocess.store(files.images.open(i)) for i in range(11)])  # type: ignore[union-attr]
    in_memory = ImageSet(stored, files.labels, files.classes, "the same")
    make = {"shuffle": True, "seed": 1, "augment": parse_augmentations(["crop:2"])}
    expected = Batches(in_memory, preprocess, 4, **make)  # type: ignore[arg-type]
    found = Batches(files, preprocess, 4, workers=workers, **make)  # type: ignore[arg-type]
    for ours, theirs in zip(found.epoch(3, 1), expected.epoch(3, 1), strict=True):
        assert torch.equal(ours.images, theirs.images)
        assert torch.equal(ours.indices, theirs.indices)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_picture_is_named_in_one_line(workers: int) -> None:
    files = streamed(9, broken=frozenset({7}))
    batches = Batches(files, Preprocess.plain(1, 8), 4, workers=workers)
    with pytest.raises(ImageDecodeError, match=r"^7\.png cannot be decoded$"):
        list(batches.epoch())


def test_mixed_targets_are_shares_of_classes() -> None:
    batch = next(Batches(resident(8), Preprocess.plain(1, 8), 8, mixing=Mixup(1.0), shuffle=True).epoch())
    assert batch.targets.shape == (8, 2)
    torch.testing.assert_close(batch.targets.sum(1), torch.ones(8))


def test_images_are_contiguous() -> None:
    color = ImageSet(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.zeros(4).long(), ("a",), "x")
    batch = next(Batches(color, Preprocess.plain(3, 8), 4).epoch())
    assert batch.images.is_contiguous()


def test_an_impossible_batch_size_is_refused() -> None:
    with pytest.raises(ConfigError, match="batch size is 0; allowed: 1 or more"):
        Batches(resident(4), Preprocess.plain(1, 8), 0)


def test_made_up_files_can_travel_to_workers() -> None:
    assert pickle.loads(pickle.dumps(MadeUpFiles([1, 2]))).names == ["1.png", "2.png"]

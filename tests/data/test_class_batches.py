"""Batches of P classes × K images: what they promise, for classes of any size."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from convnets.data.class_batches import BatchShape, ClassBatches, class_order
from convnets.data.class_splits import choose_held_out, keep_classes, without_classes
from convnets.data.image_set import ImageSet, Splits
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, UnknownNameError


def images_of(counts: list[int]) -> ImageSet:
    labels = torch.tensor([label for label, count in enumerate(counts) for _ in range(count)])
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]
    pixels = torch.arange(len(labels)).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    return ImageSet(pixels.clone(), labels, tuple(f"class {i}" for i in range(len(counts))), "an example")


@pytest.mark.parametrize(
    ("counts", "shape"),
    [
        ([12, 12, 12, 12], BatchShape(4, 3)),
        ([12, 12, 12, 12], BatchShape(2, 4)),
        ([50, 7, 1, 3, 20], BatchShape(3, 4)),
        ([9, 0, 4, 4], BatchShape(3, 2)),
    ],
)
def test_each_batch_has_k_images_of_p_classes(counts: list[int], shape: BatchShape) -> None:
    images = images_of(counts)
    batches = ClassBatches(images, Preprocess.plain(1, 4), shape, seed=1)
    for epoch in range(3):
        found = list(batches.epoch(epoch))
        assert len(found) == len(batches) > 0
        for batch in found:
            of_class = Counter(batch.targets.tolist())
            assert len(of_class) == shape.classes
            assert set(of_class.values()) == {shape.images_per_class}
            assert torch.equal(batch.targets, images.labels[batch.indices])


def test_every_image_comes_once_where_the_numbers_allow() -> None:
    batches = ClassBatches(images_of([12] * 6), Preprocess.plain(1, 4), BatchShape(3, 4))
    for epoch in range(3):
        assert batches.order(epoch).sort().values.tolist() == list(range(72))


def test_images_of_a_large_class_come_at_most_once_and_of_a_small_one_again() -> None:
    images = images_of([40, 40, 3])
    order = class_order(images.labels, BatchShape(2, 4), seed=0)
    counts = Counter(order.tolist())
    for place, times in counts.items():
        assert times <= (2 if images.labels[place] == 2 else 1)
    assert len(order) == 2 * 4 * 10  # 10 + 10 + 1 groups make ten pairs


def test_a_pure_function_of_seed_and_epoch() -> None:
    labels = images_of([9, 9, 9]).labels
    shape = BatchShape(2, 3)
    assert torch.equal(class_order(labels, shape, 0, 4), class_order(labels, shape, 0, 4))
    assert not torch.equal(class_order(labels, shape, 0, 4), class_order(labels, shape, 0, 5))
    assert not torch.equal(class_order(labels, shape, 0, 4), class_order(labels, shape, 1, 4))
    batches = ClassBatches(images_of([9, 9, 9]), Preprocess.plain(1, 4), shape)
    whole = [batch.indices for batch in batches.epoch(2)]
    rest = [batch.indices for batch in batches.epoch(2, start=2)]  # a run that goes on inside an epoch
    assert all(torch.equal(a, b) for a, b in zip(whole[2:], rest, strict=True))


def test_classes_meet_in_changing_company() -> None:
    labels = images_of([40] * 6).labels
    together = {
        tuple(sorted(set(labels[batch].tolist())))
        for batch in class_order(labels, BatchShape(2, 4), 0).view(-1, 8)
    }
    assert len(together) > 10  # of 15 pairs, in 30 batches


@pytest.mark.parametrize(
    ("batch_size", "classes", "each", "expected"),
    [
        (128, 10, None, (10, 12)),
        (128, 100, None, (32, 4)),
        (128, 2, None, (2, 64)),
        (16, 10, None, (4, 4)),
        (8, 10, 3, (2, 3)),
        (4, 10, None, (2, 2)),
    ],
)
def test_shape_of_a_batch(batch_size: int, classes: int, each: int | None, expected: tuple[int, int]) -> None:
    assert BatchShape.choose(batch_size, classes, each) == BatchShape(*expected)


@pytest.mark.parametrize(("batch_size", "each"), [(3, None), (8, 5), (1, None)])
def test_a_batch_too_small_is_refused(batch_size: int, each: int | None) -> None:
    with pytest.raises(ConfigError, match="larger batch_size"):
        BatchShape.choose(batch_size, 10, each)


def test_more_classes_than_there_are_is_refused() -> None:
    with pytest.raises(ConfigError, match="has images of 2 classes"):
        ClassBatches(images_of([4, 4, 0]), Preprocess.plain(1, 4), BatchShape(3, 2))


def test_class_disjoint_splits() -> None:
    images = images_of([3, 4, 5, 6])
    splits = Splits(images, test=images)
    seen, unseen = without_classes(splits, ["class 1", "class 3"])
    assert seen.train.class_counts() == {"class 0": 3, "class 2": 5}
    assert unseen.classes == ("class 1", "class 3")
    assert unseen.test is not None
    assert unseen.test.class_counts() == {"class 1": 4, "class 3": 6}
    kept = keep_classes(images, ["class 2", "class 0"])
    assert torch.equal(kept.pixels[kept.labels == 0], images.pixels[images.labels == 2])
    with pytest.raises(UnknownNameError, match="nearest: class 1"):
        keep_classes(images, ["clas 1"])
    with pytest.raises(ConfigError, match="named once"):
        keep_classes(images, ["class 1", "class 1"])


def test_held_out_classes_are_drawn_by_the_seed() -> None:
    names = [f"class {i}" for i in range(10)]
    drawn = [choose_held_out(names, 3, seed) for seed in range(20)]
    assert all(len(set(each)) == 3 and list(each) == sorted(each) for each in drawn)
    assert len(set(drawn)) > 10
    with pytest.raises(ConfigError, match="1 to 9"):
        choose_held_out(names, 10)

"""Batches that several processes share: together the very batches of one."""

from __future__ import annotations

import pytest
import torch

from convnets.data.batches import Batches
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError


def images(count: int) -> ImageSet:
    pixels = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 8, 8)
    return ImageSet(pixels, torch.arange(count) % 2, ("a", "b"), "counted")


@pytest.mark.parametrize(("count", "size", "ranks"), [(165, 32, 2), (100, 7, 3), (64, 16, 4), (13, 6, 3)])
def test_shares_put_together_are_the_batches_of_one(count: int, size: int, ranks: int) -> None:
    given = images(count)
    shared = [
        Batches(given, Preprocess.plain(1, 8), size, shuffle=True, seed=5, share=(rank, ranks))
        for rank in range(ranks)
    ]
    order = shared[0].order(2).tolist()
    epochs = [list(each.epoch(2)) for each in shared]
    assert len({len(epoch) for epoch in epochs}) == 1
    place = 0
    for step, batches in enumerate(zip(*epochs, strict=True)):
        whole = order[place : place + shared[0].images_in(step)]
        for rank, batch in enumerate(batches):
            assert batch.indices.tolist() == whole[rank::ranks]
            assert batch.whole == len(whole)
            assert len(batch.targets) >= 2
        place += len(whole)
    assert place == count
    entered = list(shared[1].epoch(2, start=1))
    assert all(torch.equal(a.indices, b.indices) for a, b in zip(entered, epochs[1][1:], strict=True))


def test_a_remainder_of_less_than_two_images_each_joins_the_batch_before() -> None:
    sizes = {
        count: [
            batch.whole for batch in Batches(images(count), Preprocess.plain(1, 8), 8, share=(0, 2)).epoch()
        ]
        for count in (16, 19, 20)
    }
    assert sizes == {16: [8, 8], 19: [8, 11], 20: [8, 8, 4]}


def test_augmentation_draws_other_numbers_in_each_process() -> None:
    def noise(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return torch.rand(batch.shape, generator=generator)

    def first(share: tuple[int, int]) -> torch.Tensor:
        batches = Batches(images(16), Preprocess.plain(1, 8), 8, augment=[noise], share=share)
        return next(iter(batches.epoch())).images

    assert not torch.equal(first((0, 2)), first((1, 2)))
    assert torch.equal(first((1, 2)), first((1, 2)))


def test_too_few_images_for_each_are_refused() -> None:
    with pytest.raises(
        ConfigError, match="batch size 3 on 100 images is shared by 2 processes; allowed: at least 2"
    ):
        Batches(images(100), Preprocess.plain(1, 8), 3, share=(0, 2))

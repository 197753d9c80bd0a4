"""Batches from shards: every image once, each rank its own, entered anywhere to the bit, shards read in order."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convnets.data.augmentation.mixing import choose_mixing
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.data.shards.batches import Reading, ShardBatches
from convnets.data.shards.dataset import load_shards
from convnets.data.shards.images import ShardPictures
from convnets.errors import ConfigError
from convnets.training.config import TrainConfig
from convnets.training.task import prepare

PREPROCESS = Preprocess.plain(1, 2)
Sharded = Callable[..., ImageSet]


@pytest.fixture
def sharded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sharded:
    """`sharded(5, 7)`: shards of so many samples, numbered through by their red value."""
    monkeypatch.setenv("CONVNETS_CACHE", str(tmp_path / "cache"))

    def make(*counts: int) -> ImageSet:
        number = 0
        for shard, count in enumerate(counts):
            with tarfile.open(tmp_path / f"s-{shard:03}.tar", "w") as archive:
                for _ in range(count):
                    picture = io.BytesIO()
                    Image.fromarray(np.full((2, 2), number % 256, np.uint8)).save(picture, "PNG")
                    for ending, content in (("png", picture.getvalue()), ("cls", str(number % 2).encode())):
                        info = tarfile.TarInfo(f"{number:05}.{ending}")
                        info.size = len(content)
                        archive.addfile(info, io.BytesIO(content))
                    number += 1
        return load_shards(f"{tmp_path}/s-*.tar").train

    return make


def indices(batches: ShardBatches, epoch: int = 0) -> list[list[int]]:
    return [step.tolist() for step in batches.steps(epoch)]


@pytest.mark.parametrize("counts", [(40,), (5, 7, 4, 11, 13), (1,) * 30, (64, 1, 64)])
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_ranks_share_the_images_equally_and_none_comes_twice(
    sharded: Sharded, counts: tuple[int, ...], ranks: int
) -> None:
    images = sharded(*counts)
    for epoch in range(3):
        seen = []
        lengths = set()
        for rank in range(ranks):
            batches = ShardBatches(images, PREPROCESS, 4, reading=Reading(rank, ranks, readers=2, window=8))
            steps = indices(batches, epoch)
            assert len(steps) == len(batches)
            lengths.add((len(steps), sum(map(len, steps))))
            seen += [index for step in steps for index in step]
        assert len(lengths) == 1  # as many batches and images for each rank
        assert len(set(seen)) == len(seen)
        assert len(images) - len(seen) < 2 * ranks


def test_what_is_left_over_is_another_in_each_epoch(sharded: Sharded) -> None:
    batches = ShardBatches(sharded(5, 7, 4, 11), PREPROCESS, 4, reading=Reading(readers=4))
    missing = [set(range(27)) - set(batches.order(epoch).tolist()) for epoch in range(200)]
    assert {len(each) for each in missing} == {3}
    assert set().union(*missing) == set(range(27))


def test_no_batch_of_one(sharded: Sharded) -> None:
    images = sharded(34)
    batches = ShardBatches(images, PREPROCESS, 4, reading=Reading(readers=2))
    assert [len(step) for step in indices(batches)] == [4, 4, 4, 4, 4, 4, 5, 5]


def test_an_epoch_is_shuffled_and_a_pure_function_of_seed_and_epoch(sharded: Sharded) -> None:
    images = sharded(*(50,) * 8)
    one, two = (ShardBatches(images, PREPROCESS, 10, seed=3, reading=Reading(window=64)) for _ in range(2))
    assert indices(one, 5) == indices(two, 5)
    assert indices(one, 5) != indices(one, 6)
    assert indices(one, 5) != indices(
        ShardBatches(images, PREPROCESS, 10, seed=4, reading=Reading(window=64)), 5
    )
    order = one.order(5).tolist()
    assert sum(b == a + 1 for a, b in pairwise(order)) < 20  # of 400, where 1 is expected by chance


def test_shards_are_read_from_end_to_end(sharded: Sharded) -> None:
    """At any moment the pictures that one reader takes lie within a window of each other."""
    images = sharded(*(50,) * 8)
    reading = Reading(readers=2, window=16)
    batches = ShardBatches(images, PREPROCESS, 8, reading=reading)
    line = batches._line(0).tolist()
    place = {index: position for position, index in enumerate(line)}
    for reader in range(2):
        taken = [place[index] for step in indices(batches)[reader::2] for index in step]
        assert sorted(taken) == list(range(reader * 200, reader * 200 + 200))
        assert all(abs(position - rank) < 16 for rank, position in enumerate(taken, reader * 200))
    jumps = [(a, b) for a, b in pairwise(line) if b != a + 1]
    assert len(jumps) <= 8  # one after each shard's last sample: all else follows on what was read before
    assert all(a % 50 == 49 and b % 50 == 0 for a, b in jumps)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_the_number_of_workers_changes_nothing_and_entering_in_the_middle_neither(
    sharded: Sharded, workers: int
) -> None:
    images = sharded(9, 14, 8)
    settings = {"seed": 1, "mixing": choose_mixing(0.4, 0.0), "reading": Reading(readers=2, window=5)}
    whole = list(ShardBatches(images, PREPROCESS, 4, **settings).epoch(2))  # type: ignore[arg-type]
    batches = ShardBatches(images, PREPROCESS, 4, workers=workers, **settings)  # type: ignore[arg-type]
    for start in (0, 3) if workers else range(len(batches) + 1):
        rest = list(batches.epoch(2, start))
        assert len(rest) == len(whole) - start
        for before, after in zip(whole[start:], rest, strict=True):
            assert torch.equal(before.indices, after.indices)
            assert torch.equal(before.images, after.images)
            assert torch.equal(before.targets, after.targets)


def test_pictures_and_labels_belong_together(sharded: Sharded) -> None:
    for batch in ShardBatches(sharded(20, 21), PREPROCESS, 4, reading=Reading(readers=3)).epoch():
        assert (batch.images[:, 0, 0, 0] * 255).round().long().tolist() == batch.indices.tolist()
        assert batch.targets.tolist() == [index % 2 for index in batch.indices.tolist()]


def test_nothing_before_the_step_is_read(sharded: Sharded, monkeypatch: pytest.MonkeyPatch) -> None:
    images = sharded(30, 30)
    assert isinstance(images.images, ShardPictures)
    batches = ShardBatches(images, PREPROCESS, 5, reading=Reading(readers=2, window=10))
    read: list[int] = []
    original = ShardPictures.read
    monkeypatch.setattr(
        ShardPictures, "read", lambda self, index: read.append(index) or original(self, index)
    )
    start = len(batches) - 2
    for _ in batches.epoch(0, start):
        pass
    assert sorted(read) == sorted(index for step in indices(batches)[start:] for index in step)


def test_the_position_is_the_shard_and_byte_where_a_reader_s_window_begins(sharded: Sharded) -> None:
    images = sharded(30, 30)
    assert isinstance(images.images, ShardPictures)
    batches = ShardBatches(images, PREPROCESS, 5, reading=Reading(readers=2, window=10))
    line = batches._line(0).tolist()
    assert batches.position(0, 0) == [images.images.position(line[0]), images.images.position(line[30])]
    # seven steps on: four batches of the first reader (20 images) and three of the second (15) are done
    assert batches.position(0, 7) == [images.images.position(line[20]), images.images.position(line[40])]
    assert all(Path(shard).name.startswith("s-") for shard, _ in batches.position(0, len(batches)))


def test_a_subset_keeps_to_its_images(sharded: Sharded) -> None:
    images = sharded(20, 20).subset(range(1, 40, 3))
    batches = ShardBatches(images, PREPROCESS, 4, reading=Reading(readers=1))
    assert sorted(batches.order(0).tolist()) == list(range(13))
    for batch in batches.epoch():
        shown = (batch.images[:, 0, 0, 0] * 255).round().long().tolist()
        assert shown == [1 + 3 * index for index in batch.indices.tolist()]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Reading(rank=2, ranks=2), "rank is 2 of 2; allowed: 0 to 1"),
        (lambda: Reading(readers=0), "readers is 0"),
        (lambda: Reading(window=0), "window is 0"),
    ],
)
def test_readings_that_are_not_allowed(make: Callable[[], Reading], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make()


def test_more_readers_than_images_are_refused(sharded: Sharded) -> None:
    images = sharded(5)
    with pytest.raises(ConfigError, match=r"5 images for 4 readers; allowed: 2 or more images each"):
        ShardBatches(images, PREPROCESS, 4)
    resident = ImageSet(
        torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 1, 0, 1]), ("a", "b"), "x"
    )
    with pytest.raises(ConfigError, match="not in shards; use Batches"):
        ShardBatches(resident, PREPROCESS, 4)


def test_equally_many_of_each_class_cannot_be_drawn_from_a_stream(sharded: Sharded, tmp_path: Path) -> None:
    images = sharded(20, 20)
    config = TrainConfig(epochs=1, balanced_sampling=True, validation=0, memory_limit=0, threads=1)
    with pytest.raises(ConfigError, match="shards are read from end to end; allowed: class_weights"):
        prepare("softmax", images, config)

"""ShardBatches: pictures in shards as batches, each shard read from its beginning to its end, by several readers.

Uniform shuffling would jump between all shards for every batch. Here an epoch draws the order of the shards, lays
their samples one after another and cuts this line into equal stretches, one for each rank and reader; each reader
moves along its stretch and shuffles within a window. Everything is a pure function of seed, epoch and step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convnets.core.seeds import generator_for
from convnets.data.augmentation.augment import Augmentation
from convnets.data.augmentation.mixing import Mixing
from convnets.data.batches import Batches
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.data.shards.images import ShardPictures
from convnets.errors import ConfigError

__all__ = ["Reading", "ShardBatches"]


@dataclass(frozen=True)
class Reading:
    """Who reads what: the ranks of a distributed run, and the readers of each."""

    rank: int = 0
    """This process, from 0."""
    ranks: int = 1
    """Processes that share the images; each gets equally many."""
    readers: int = 4
    """Stretches that a rank reads side by side, and takes its batches from in turn. Batches depend on it; they do
    not depend on the number of worker processes, each of which serves one or more readers."""
    window: int = 2048
    """Samples that are shuffled among each other; about 200 MB of photographs at 100 kB."""

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.ranks:
            raise ConfigError(f"rank is {self.rank} of {self.ranks}; allowed: 0 to {self.ranks - 1}")
        if self.readers < 1 or self.window < 1:
            raise ConfigError(f"readers is {self.readers}, window is {self.window}; allowed: 1 or more")


class ShardBatches(Batches):
    """An ImageSet of ShardPictures as batches, epoch by epoch, in an order that reads shards from end to end.

    Of a rank's images fewer than `readers` are left over in an epoch, as stretches are of one length, others in
    each epoch. `epoch(number, start)` enters an epoch at any step: each reader begins at its shard and byte there
    (`position`), and nothing before is read.
    """

    def __init__(
        self,
        image_set: ImageSet,
        preprocess: Preprocess,
        batch_size: int,
        *,
        reading: Reading | None = None,
        device: torch.device | str = "cpu",
        seed: int = 0,
        augment: Sequence[Augmentation] = (),
        mixing: Mixing | None = None,
        workers: int = 0,
        skip_corrupt: int = 0,
    ) -> None:
        if not isinstance(image_set.images, ShardPictures):
            raise ConfigError(f"{image_set.source}: not in shards; use Batches")
        super().__init__(
            image_set,
            preprocess,
            batch_size,
            device=device,
            shuffle=True,
            seed=seed,
            augment=augment,
            mixing=mixing,
            workers=workers,
            skip_corrupt=skip_corrupt,
        )
        self.reading = reading or Reading()
        self.rank, self.ranks = self.reading.rank, self.reading.ranks
        self._pictures = image_set.images
        stretches = self.reading.ranks * self.reading.readers
        self._stretch = len(image_set) // stretches
        if self._stretch < min(2, batch_size):
            raise ConfigError(
                f"{image_set.source}: {len(image_set)} images for {stretches} readers; "
                "allowed: 2 or more images each; use fewer readers or ranks"
            )
        places = torch.from_numpy(self._pictures.places)
        shards = torch.from_numpy(self._pictures.index.shard_of(self._pictures.places))
        in_order = torch.argsort(places, stable=True)
        _, counts = torch.unique_consecutive(shards[in_order], return_counts=True)
        ends = counts.cumsum(0).tolist()
        self._by_shard = [
            in_order[end - count : end] for end, count in zip(ends, counts.tolist(), strict=True)
        ]

    def __len__(self) -> int:
        """Batches in an epoch, of this rank."""
        return self.reading.readers * len(self._cuts())

    def images_in(self, step: int) -> int:
        """Images of a step, over all ranks; those have equally many."""
        start, stop = self._cuts()[step // self.reading.readers]
        return (stop - start) * self.ranks

    def order(self, epoch: int) -> Tensor:
        """int64: which image comes when in this rank's epoch."""
        return torch.cat(self.steps(epoch))

    def steps(self, epoch: int) -> list[Tensor]:
        """The images of each batch: one batch of each reader in turn, then the next of each."""
        line = self._line(epoch)
        stretches = [self._read_order(line, epoch, self._begin(n)) for n in range(self.reading.readers)]
        return [stretch[start:stop] for start, stop in self._cuts() for stretch in stretches]

    def position(self, epoch: int, step: int) -> list[tuple[str, int]]:
        """Shard and byte from which each reader goes on at `step`: where the window it is in begins."""
        turn, served = divmod(step, self.reading.readers)
        cuts, line, found = self._cuts(), self._line(epoch), []
        for reader in range(self.reading.readers):
            place = turn + (reader < served)
            done = cuts[place][0] if place < len(cuts) else self._stretch
            window = min(done, self._stretch - 1) // self.reading.window * self.reading.window
            found.append(self._pictures.position(int(line[self._begin(reader) + window])))
        return found

    def _line(self, epoch: int) -> Tensor:
        """All images, shard by shard, the shards in this epoch's order; it begins anywhere in the first of them."""
        generator = generator_for(self.seed, "shards", epoch)
        drawn = torch.randperm(len(self._by_shard), generator=generator).tolist()
        begin = int(torch.randint(len(self._by_shard[drawn[0]]), (1,), generator=generator))
        return torch.cat([self._by_shard[shard] for shard in drawn]).roll(-begin)

    def _begin(self, reader: int) -> int:
        return (self.reading.rank * self.reading.readers + reader) * self._stretch

    def _read_order(self, line: Tensor, epoch: int, begin: int) -> Tensor:
        """A stretch of the line, shuffled window by window."""
        windows = []
        for start in range(0, self._stretch, self.reading.window):
            window = line[begin + start : begin + min(start + self.reading.window, self._stretch)]
            generator = generator_for(self.seed, "window", epoch, begin, start)
            windows.append(window[torch.randperm(len(window), generator=generator)])
        return torch.cat(windows)

    def _cuts(self) -> list[tuple[int, int]]:
        """Where a stretch is cut into batches; a single image left over joins the batch before it."""
        size, length = self.batch_size, self._stretch
        starts = list(range(0, length, size))
        if len(starts) > 1 and length - starts[-1] == 1 and size > 1:
            starts.pop()
        return list(zip(starts, [*starts[1:], length], strict=True))

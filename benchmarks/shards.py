"""What it costs to train from tar shards, beside the same pictures in files: images a second, and entering an epoch.

    python benchmarks/shards.py --pictures cifar10-images.zip --images 4000 --side 256

Pictures are taken from a folder or zip, made `--side` pixels wide and saved as JPEG (quality 90) in files and in tar
shards. Each way of reading goes through an epoch in batches of 64, `--rounds` times in turn with the others; before
each round the files are taken out of the page cache. Images a second are by the processor time of this process and its
workers, which other programs hardly touch; beside them stand seconds of wall time and (in brackets) of processor time.
One thread.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from convnets.data.batches import Batches
from convnets.data.image_set import ImageSet, PictureFiles
from convnets.data.preprocess import Preprocess
from convnets.data.shards.batches import Reading, ShardBatches
from convnets.data.shards.images import ShardPictures
from convnets.data.sources import load_data

BATCH = 64


@dataclass(frozen=True)
class Way:
    """A way to read the pictures."""

    name: str
    batches: Batches
    epoch: int = 1
    start: int = 0


def main() -> None:
    """Print a row for each way: median over the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, required=True, help="folder or zip of pictures")
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--per-shard", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["CONVNETS_CACHE"] = str(root / "cache")
        write(load_data(options.pictures).train, root, options)
        files = [path for path in root.rglob("*") if path.is_file()]
        kilobytes = sum(path.stat().st_size for path in (root / "shards").iterdir()) / options.images / 1000
        first = timed(lambda: load_data(root / "shards"))
        again = timed(lambda: load_data(root / "shards"))
        ways = ways_of(root, options.side)
        found: dict[str, list[tuple[int, float, float]]] = {way.name: [] for way in ways}
        for _ in range(options.rounds):
            for way in ways:
                out_of_cache(files)
                found[way.name].append(read(way))
    print(f"{options.images} JPEGs of {kilobytes:.0f} kB, {options.side}×{options.side}, batches of {BATCH}")
    print(f"shards indexed in {first:.2f} s, the index read in {again:.2f} s")
    rows = {name: summary(rounds) for name, rounds in found.items()}
    for name, row in rows.items():
        print(
            f"{name:34} {row['images']:6} images {row['per_second']:7.0f}/s  {row['seconds']:6.2f} s", end=""
        )
        print(f" ({row['processor_seconds']:.2f} s)")
    if options.json:
        result = {"options": {k: str(v) for k, v in vars(options).items()}, "index": first, "rows": rows}
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def write(pictures: ImageSet, root: Path, options: argparse.Namespace) -> None:
    """The same JPEGs as files by class and in shards."""
    assert isinstance(pictures.images, PictureFiles)
    chosen = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))[: options.images]
    (root / "shards").mkdir()
    for number, index in enumerate(chosen.tolist()):
        content = io.BytesIO()
        picture = pictures.images.open(index).convert("RGB")
        picture.resize((options.side, options.side), Image.Resampling.BICUBIC).save(
            content, "JPEG", quality=90
        )
        label = pictures.classes[int(pictures.labels[index])]
        (root / "files" / label).mkdir(parents=True, exist_ok=True)
        (root / "files" / label / f"{number:06}.jpg").write_bytes(content.getvalue())
        with tarfile.open(root / "shards" / f"s-{number // options.per_shard:04}.tar", "a") as archive:
            for ending, data in (("jpg", content.getvalue()), ("cls", label.encode())):
                member = tarfile.TarInfo(f"{number:06}.{ending}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))


def ways_of(root: Path, side: int) -> list[Way]:
    """Files and shards, in turn and at random, entered in the middle, and as one of two ranks."""
    shards, files = load_data(root / "shards").train, load_data(root / "files").train
    assert isinstance(shards.images, ShardPictures)
    preprocess = Preprocess.plain(3, side)

    def streamed(rank: int = 0, ranks: int = 1, workers: int = 0) -> ShardBatches:
        return ShardBatches(shards, preprocess, BATCH, reading=Reading(rank, ranks), workers=workers)

    middle = len(streamed()) * 9 // 10
    return [
        Way("files, shuffled", Batches(files, preprocess, BATCH, shuffle=True)),
        Way("shards, shuffled over all", Batches(shards, preprocess, BATCH, shuffle=True)),
        Way("shards from end to end", streamed()),
        Way("shards from end to end, 2 workers", streamed(workers=2)),
        Way("the last tenth of an epoch", streamed(), start=middle),
        Way("rank 1 of 2", streamed(1, 2)),
    ]


def read(way: Way) -> tuple[int, float, float]:
    """Images read, seconds of wall time, seconds of processor time with the workers'."""
    wall, processor = time.perf_counter(), processor_seconds()
    images = sum(len(batch.targets) for batch in way.batches.epoch(way.epoch, way.start))
    return images, time.perf_counter() - wall, processor_seconds() - processor


def processor_seconds() -> float:
    """Of this process and of those it has waited for."""
    return sum(os.times()[:4])


def summary(rounds: list[tuple[int, float, float]]) -> dict[str, float]:
    """Medians over the rounds."""
    images, seconds, processor = rounds[0][0], *(statistics.median(r[i] for r in rounds) for i in (1, 2))
    return {
        "images": images,
        "seconds": seconds,
        "processor_seconds": processor,
        "per_second": images / processor,
    }


def timed(action: Callable[[], object]) -> float:
    """Seconds of wall time."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def out_of_cache(files: list[Path]) -> None:
    """Have the system forget the files' content, where it can be asked to."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in files:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


if __name__ == "__main__":
    main()

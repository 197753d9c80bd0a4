"""The image index: speed of exact search, building, and approximate search among a million vectors.

Usage: python benchmarks/index.py exact build zip million --json index.json

exact    60,000 × 512: one query; blocks of 256 queries against the matrix product alone, in turn
build    `convnets index build` with lenet_bn on Fashion-MNIST's 60,000 images, from the command to the shell
zip      50,000 JPEGs of cifar10-images.zip: building against decoding alone, in turn
million  1,000,000 × 128 vectors in clusters: exact, HNSW and IVF-PQ; recall@10, time, bytes

With --threads 1 seconds are those of the processor, which other work on the machine changes little; else of the clock.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.checkpoints.model_folder import TrainedModel, save_model
from convnets.core.environment import describe_environment
from convnets.core.hardware import Hardware, choose_hardware
from convnets.core.storage.files import write_json
from convnets.data.data_root import data_root
from convnets.data.preprocess import Preprocess
from convnets.models.catalogue import create_model
from convnets.retrieval.backends.exact_index import ExactIndex
from convnets.retrieval.backends.exact_search import nearest
from convnets.retrieval.backends.faiss_index import FaissIndex
from convnets.retrieval.building.listing import list_images
from convnets.retrieval.building.picture_stream import stream_pictures
from convnets.retrieval.entries import Entries
from convnets.retrieval.evaluation.index_scores import search_quality
from convnets.retrieval.image_index import ImageIndex

ROUNDS = 7


def main() -> None:
    """A line for each figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="+", choices=["exact", "build", "zip", "million"])
    parser.add_argument("--threads", type=int)
    parser.add_argument("--vectors", type=int, default=1_000_000, help="of the part million")
    parser.add_argument("--pictures", type=int, default=50_000, help="of the part zip")
    parser.add_argument("--kinds", nargs="+", default=["hnsw", "ivfpq"], help="of the part million")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    hardware = choose_hardware("cpu", "fp32", arguments.threads)
    print(f"seconds are of the {'processor' if hardware.threads == 1 else 'clock'}; {hardware}")
    results: dict[str, Any] = {}
    for part in arguments.parts:
        measured: dict[str, Any] = {
            "exact": exact_search,
            "build": build,
            "zip": lambda hardware: build_from_zip(hardware, arguments.pictures),
            "million": lambda _: million(arguments.vectors, arguments.kinds),
        }[part](hardware)
        results[part] = measured
        for name, value in measured.items():
            print(f"{part}: {name}: {value:,.4g}" if isinstance(value, float) else f"{part}: {name}: {value}")
    if arguments.json:
        write_json(arguments.json, {"environment": describe_environment(hardware), **results})


def in_turn(*actions: Callable[[], Any], rounds: int = ROUNDS, warm: bool = True) -> list[list[float]]:
    """Seconds of each action, one round after another; a first round, not counted, warms up."""
    seconds: list[list[float]] = [[] for _ in actions]
    now = time.perf_counter if torch.get_num_threads() > 1 else processor_seconds
    for round_ in range(1 - warm, rounds + 1):
        for place, action in enumerate(actions):
            started = now()
            action()
            if round_:
                seconds[place].append(now() - started)
    return seconds


def processor_seconds() -> float:
    """Of this process and those it started: what a machine at work on other things can tell."""
    spent = (resource.getrusage(each) for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in spent)


def unit(count: int, dimension: int, seed: int = 0) -> Tensor:
    """Random vectors of length 1."""
    return F.normalize(torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed)))


def exact_search(_: Hardware) -> dict[str, Any]:
    """One query, and blocks of 256 against the product that they cannot do without."""
    count, dimension, block = 60_000, 512, 256
    vectors, queries = unit(count, dimension), unit(block, dimension, 1)
    measured: dict[str, Any] = {}
    found: dict[str, list[set[str]]] = {}
    for precision in ("fp32", "bf16"):
        index = ExactIndex(dimension, precision=precision)
        index.add(vectors, Entries(map(str, range(count))))
        stored = index.store.blocks[0]
        turned = queries.to(stored.dtype).T.contiguous()
        searching, product, single = in_turn(
            lambda stored=stored: nearest([stored], queries, 10),
            lambda stored=stored, turned=turned: stored @ turned,
            lambda index=index: index.search(queries[:1], 10),
        )
        shares = [alone / whole for whole, alone in zip(searching, product, strict=True)]
        measured |= {
            f"{precision} one query, ms": 1000 * statistics.median(single),
            f"{precision} 256 queries, ms": 1000 * statistics.median(searching),
            f"{precision} product alone, ms": 1000 * statistics.median(product),
            f"{precision} share of the product's rate": statistics.median(shares),
            f"{precision} GFLOP/s": 2 * count * dimension * block / statistics.median(searching) / 1e9,
        }
        found[precision] = [{hit.path for hit in hits} for hits in index.search(queries, 10)]
    shared = sum(len(a & b) for a, b in zip(found["fp32"], found["bf16"], strict=True))
    return {**measured, "bf16 recall@10": shared / (10 * block)}


def build(hardware: Hardware) -> dict[str, Any]:
    """The command, with all that it takes to start and to write."""
    preprocess = Preprocess(1, 28, 28, (0.286,), (0.353,))
    model = TrainedModel(create_model("lenet_bn", seed=0), tuple("0123456789"), preprocess)
    with tempfile.TemporaryDirectory() as folder:
        save_model(Path(folder) / "model", model)
        seconds = []
        for number in range(3):
            command = [sys.executable, "-m", "convnets", "index", "build", f"{folder}/model", "fashion-mnist"]
            whole = [*command, "--part", "train", "-o", f"{folder}/{number}"]
            seconds += in_turn(
                lambda whole=whole: subprocess.run(whole, check=True, capture_output=True),
                rounds=1,
                warm=False,
            )[0]
        size = sum(path.stat().st_size for path in Path(folder, "0").rglob("*") if path.is_file())
        listing = list_images("fashion-mnist", "train")
        inside = in_turn(lambda: ImageIndex.build(model, listing, hardware=hardware), rounds=2)[0]
    return {
        "60,000 images, command, s": statistics.median(seconds),
        "spread, s": max(seconds) - min(seconds),
        "inside, images in memory, s": statistics.median(inside),
        "on disk, MB": size / 1e6,
    }


def build_from_zip(hardware: Hardware, count: int) -> dict[str, Any]:
    """Small JPEGs: what decoding alone allows, and what building reaches."""
    preprocess = Preprocess(3, 32, 32, (0.49, 0.48, 0.45), (0.25, 0.24, 0.26))
    network = create_model("lenet_bn", seed=0, in_channels=3, input_size=32)
    model = TrainedModel(network, tuple("0123456789"), preprocess)
    listing = list_images(data_root() / "cifar10-images.zip", "train")
    rows = range(min(count, len(listing)))
    listing = replace(listing, images=listing.images.subset(rows), entries=listing.entries.select(rows))

    def decode() -> None:
        for _ in stream_pictures(listing.images, preprocess, 512, workers=hardware.threads):
            pass

    decoding, building = in_turn(
        decode, lambda: ImageIndex.build(model, listing, hardware=hardware), rounds=2
    )
    count = len(listing)
    return {
        "images": count,
        "decoding alone, images/s": count / statistics.median(decoding),
        "building, images/s": count / statistics.median(building),
        "share": statistics.median(alone / whole for alone, whole in zip(decoding, building, strict=True)),
    }


def million(count: int, kinds: Sequence[str], dimension: int = 128) -> dict[str, Any]:
    """Vectors around 10,000 centers; queries are drawn in the same manner."""
    centers = torch.randn(10_000, dimension, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    chosen = torch.randint(len(centers), (count,), generator=generator)
    vectors = F.normalize(centers[chosen] + 0.5 * torch.randn(count, dimension, generator=generator))
    entries = [str(row) for row in range(count)]
    measured: dict[str, Any] = {"vectors": count, "fp32 vectors, MB": vectors.nbytes / 1e6}
    for kind in kinds:
        index = FaissIndex(dimension, kind)
        index.add(vectors, Entries(entries))
        started = time.perf_counter()
        index.prepare()
        measured[f"{kind} built, s"] = time.perf_counter() - started
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "structure"
            index.write(path)
            measured[f"{kind} structure, MB"] = path.stat().st_size / 1e6
        depths = (64, 128, 256, 512) if kind == "hnsw" else (16, 64, 256)
        for depth in depths:
            index.depth = depth
            quality = search_quality(index, k=10, queries=200)
            measured[f"{kind} depth {depth} recall@10"] = quality.recall
            measured[f"{kind} depth {depth} one query, ms"] = quality.milliseconds
        measured["exact one query, ms"] = quality.exact_milliseconds
    return measured


if __name__ == "__main__":
    main()

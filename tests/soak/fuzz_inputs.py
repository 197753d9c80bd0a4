# ruff: noqa: T201  it is a script that prints a table
"""Mutated pictures, model folders, zips and shards: only our own errors, bounded memory, no file outside touched.

By hand: python tests/soak/fuzz_inputs.py --count 10000     (some minutes; prints a table)
In the ordinary tests: a few hundred of each, by test_fuzz_inputs.py.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import random
import resource
import signal
import struct
import sys
import tarfile
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from convnets.checkpoints.model_config import sealed
from convnets.checkpoints.model_folder import TrainedModel, load_model, save_model
from convnets.core.storage.files import sha256_of_file
from convnets.data.images.opening import open_picture
from convnets.data.images.zip_archive import ZipPictures
from convnets.data.preprocess import Preprocess
from convnets.data.shards.dataset import load_shards
from convnets.errors import ConvnetsError, DataError, ImageDecodeError, ModelFolderError
from convnets.models.catalogue import create_model

SECONDS = 30  # longer than any input may keep us
# what loading has no business with; `open` is looked at more closely
FORBIDDEN = (
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "os.chmod", "os.truncate", "os.system",
    "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect", "pickle.find_class", "shutil.rmtree",
    "ctypes.dlopen",
)  # fmt: skip


@dataclass
class Tally:
    """What became of the inputs of one kind."""

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    """Anything but our own errors in one line, and any deed outside the sandbox."""
    seconds: float = 0.0
    slowest: float = 0.0
    peak_mb: float = 0.0
    """Resident memory of the process at its highest, in MB."""


class Watch:
    """An audit hook that notes what is done outside a folder while it is switched on."""

    def __init__(self, sandbox: Path) -> None:
        self.on = False
        self.deeds: list[str] = []
        self._inside = (str(sandbox), os.devnull)
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "open":
            path, _, flags = args
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            if writes and not str(path).startswith(self._inside):
                self.deeds.append(f"open {path!r} to write")
        elif event.startswith(FORBIDDEN) and not str(args[0] if args else "").startswith(self._inside):
            self.deeds.append(f"{event} {args!r:.120}")


# ---------------------------------------------------------------------------------------------- bytes


def mutate(content: bytes, draw: random.Random, other: bytes = b"") -> bytes:
    """One to eight changes, mostly near the beginning, where headers are."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
        if not data:
            return bytes(data)
        near = min(len(data), 128) if draw.random() < 0.6 else len(data)
        place = draw.randrange(near)
        deed = draw.randrange(9)
        if deed <= 1:
            data[place] ^= 1 << draw.randrange(8)
        elif deed == 2:
            data[place] = draw.randrange(256)
        elif deed == 3:
            width, order = draw.choice((1, 2, 4, 8)), draw.choice(("little", "big"))
            value = draw.choice(
                (0, 1, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), 2 ** (8 * width - 1) - 1, 65_500)
            )
            data[place : place + width] = (value % 2 ** (8 * width)).to_bytes(width, order)  # type: ignore[arg-type]
        elif deed == 4:
            del data[draw.randrange(len(data)) :]
        elif deed == 5:
            del data[place : place + draw.randrange(1, 40)]
        elif deed == 6:
            data[place:place] = draw.randbytes(draw.randrange(1, 40))
        elif deed == 7:
            end = place + draw.randrange(1, 64)
            data[end:end] = data[place:end]
        else:
            data[place:] = other[place:]
    return bytes(data)


JUNK: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**31, 2**63, 2**70, 1e308, -0.5, "", "x", "\0", "../../etc/passwd", "Ж" * 500, [], {},
    [[]], [1] * 2000, {"a": {"b": {}}}, "__import__('os').mkdir('sentinel')", "model.safetensors", [0, 2**40],
)  # fmt: skip


def mutate_json(value: Any, draw: random.Random) -> Any:
    """The value with one thing in it replaced, removed, added or renamed."""
    if isinstance(value, dict) and value and draw.random() < 0.85:
        changed, key = dict(value), draw.choice(list(value))
        deed = draw.random()
        if deed < 0.7:
            changed[key] = mutate_json(changed[key], draw)
        elif deed < 0.8:
            del changed[key]
        elif deed < 0.9:
            changed[str(draw.choice(JUNK))[:40]] = draw.choice(JUNK)
        else:
            changed[f"{key}x"] = changed.pop(key)
        return changed
    if isinstance(value, list) and value and draw.random() < 0.7:
        place = draw.randrange(len(value))
        return [*value[:place], mutate_json(value[place], draw), *value[place + 1 :]]
    if isinstance(value, int) and draw.random() < 0.5:
        return value + draw.choice((-1, 1, 7, 2**16, 2**33))
    return draw.choice(JUNK)


# ---------------------------------------------------------------------------------------------- inputs


def _encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def sound_pictures() -> list[bytes]:
    """Small pictures in every format and most of the ways to store them."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 4), dtype=np.uint8)
    rgb, rgba, gray = (Image.fromarray(a) for a in (noise[..., :3].copy(), noise, noise[..., 0].copy()))
    smooth = Image.linear_gradient("L").resize((32, 24)).convert("RGB")
    deep = Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a picture"
    moving: dict[str, Any] = {"save_all": True, "append_images": [smooth, rgb]}
    return [
        _encoded(rgb, "JPEG", exif=exif), _encoded(smooth, "JPEG", progressive=True), _encoded(gray, "JPEG"),
        _encoded(rgb.convert("CMYK"), "JPEG"), _encoded(rgb, "PNG"), _encoded(rgba, "PNG", exif=exif),
        _encoded(deep, "PNG"), _encoded(rgb.quantize(16), "PNG", transparency=3), _encoded(gray.convert("1"), "PNG"),
        _encoded(rgb, "PNG", **moving), _encoded(rgb, "GIF"), _encoded(rgb, "GIF", **moving), _encoded(rgb, "BMP"),
        _encoded(rgb.quantize(16), "BMP"), _encoded(rgb, "TIFF"), _encoded(deep, "TIFF"),
        _encoded(rgb, "TIFF", compression="tiff_lzw"), _encoded(rgb, "TIFF", compression="jpeg"),
        _encoded(rgb, "TIFF", compression="tiff_adobe_deflate"),
        _encoded(gray.convert("1"), "TIFF", compression="group4"),
        _encoded(rgb, "WEBP"), _encoded(rgba, "WEBP", lossless=True), _encoded(rgb, "WEBP", **moving),
        _encoded(rgb, "PPM"), _encoded(gray, "PPM"), _encoded(rgb, "DIB"),
    ]  # fmt: skip


def pictures(sandbox: Path, draw: random.Random) -> Iterator[Callable[[], object]]:
    sound = sound_pictures()
    path = sandbox / "picture"
    while True:
        content = mutate(draw.choice(sound), draw, draw.choice(sound))
        path.write_bytes(content)
        source: Path | bytes = path if draw.random() < 0.5 else content
        yield lambda source=source: open_picture(source, "mutated")  # type: ignore[misc]


def models(sandbox: Path, draw: random.Random) -> Iterator[Callable[[], object]]:
    """Half of them vouched for by right checksums, so that what lies behind those is reached."""
    networks = [
        create_model("softmax", in_channels=1, num_classes=3, input_size=4),
        create_model("speednet", in_channels=1, num_classes=3, widths=[2, 3, 4]),
    ]
    sound = []
    for network in networks:
        folder = save_model(
            sandbox / "sound", TrainedModel(network, ("a", "b", "c"), Preprocess.plain(1, 12))
        )
        sound.append(tuple((folder / name).read_bytes() for name in ("config.json", "model.safetensors")))
    folder = sandbox / "model"
    folder.mkdir()
    while True:
        config, weights = draw.choice(sound)
        deed = draw.random()
        if deed < 0.15:
            config = mutate(config, draw, draw.choice(sound)[0])
        elif deed < 0.3:
            weights = mutate(weights, draw, draw.choice(sound)[1])
        else:
            content = json.loads(config)
            if deed < 0.5:
                weights = mutate(weights, draw, draw.choice(sound)[1])
            elif deed < 0.75:
                weights = _with_mutated_header(weights, draw)
            else:
                content = mutate_json(content, draw)
            (folder / "model.safetensors").write_bytes(weights)
            if isinstance(content, dict):
                stated = {"bytes": len(weights), "sha256": sha256_of_file(folder / "model.safetensors")}
                content = content if deed >= 0.75 and draw.random() < 0.2 else {**content, "weights": stated}
                content = sealed(content) if draw.random() < 0.95 else content
            config = json.dumps(content).encode()
        (folder / "config.json").write_bytes(config)
        (folder / "model.safetensors").write_bytes(weights)
        yield lambda: load_model(folder)


def _with_mutated_header(weights: bytes, draw: random.Random) -> bytes:
    length = struct.unpack("<Q", weights[:8])[0]
    header = json.loads(weights[8 : 8 + length])
    for _ in range(draw.choice((1, 1, 2))):
        header = mutate_json(header, draw)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + weights[8 + length :]


def zips(sandbox: Path, draw: random.Random) -> Iterator[Callable[[], object]]:
    sound = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            for number, content in enumerate(sound_pictures()[:3]):
                archive.writestr(f"c{number}/1.jpg", content)
        sound.append(file.getvalue())
    path = sandbox / "set.zip"

    def read() -> None:
        found = ZipPictures.scan(path)
        for index in range(len(found)):
            try:
                found.open(index)
            except ImageDecodeError as error:
                check_line(error)

    while True:
        path.write_bytes(_mutate_near_end(draw.choice(sound), draw))
        yield read


def _mutate_near_end(content: bytes, draw: random.Random) -> bytes:
    """A zip's directory is its end."""
    if draw.random() < 0.5:
        return mutate(content, draw)
    return mutate(content[::-1], draw)[::-1]


def shards(sandbox: Path, draw: random.Random) -> Iterator[Callable[[], object]]:
    sound = []
    for format in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=format) as archive:
            for number, content in enumerate(sound_pictures()[:3]):
                for ending, part in (("jpg", content), ("cls", b"1")):
                    name = f"{'ü' * 60 if format != tarfile.USTAR_FORMAT else ''}{number}.{ending}"
                    info = tarfile.TarInfo(name)
                    info.size = len(part)
                    archive.addfile(info, io.BytesIO(part))
        sound.append(file.getvalue())
    path = sandbox / "set.tar"

    def read() -> None:
        images = load_shards(str(path)).train.images
        for index in range(len(images)):
            try:
                images.open(index)  # type: ignore[union-attr]
            except ImageDecodeError as error:
                check_line(error)

    while True:
        content = bytearray(draw.choice(sound))
        for _ in range(draw.choice((1, 2))):  # within any of the headers, with its sum put right
            start = 512 * draw.randrange(len(content) // 512)
            content[start : start + 512] = _summed(
                mutate(bytes(content[start : start + 512]), draw)[:512].ljust(512, b"\0")
            )
        path.write_bytes(mutate(bytes(content), draw) if draw.random() < 0.3 else bytes(content))
        yield read


def _summed(header: bytes) -> bytes:
    """A tar header with the checksum that it has to have."""
    total = sum(header[:148]) + 8 * 32 + sum(header[156:])
    return header[:148] + b"%06o\0 " % total + header[156:]


# ---------------------------------------------------------------------------------------------- judging

KINDS: dict[
    str, tuple[Callable[[Path, random.Random], Iterator[Callable[[], object]]], type[ConvnetsError]]
] = {
    "pictures": (pictures, ImageDecodeError),
    "models": (models, ModelFolderError),
    "zips": (zips, DataError),
    "shards": (shards, DataError),
}


def check_line(error: ConvnetsError) -> None:
    """Raise AssertionError unless the message is one line of a sensible length."""
    message = str(error)
    assert "\n" not in message, f"more than a line: {message!r:.200}"
    assert 0 < len(message) < 1500, f"{len(message)} characters: {message!r:.200}"


@contextmanager
def _limited() -> Iterator[None]:
    def late(_number: int, _frame: object) -> None:
        raise TimeoutError(f"more than {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fuzz(kind: str, count: int, seed: int = 0) -> Tally:
    """Try `count` mutated inputs of a kind; what they are depends on `seed` alone."""
    make, expected = KINDS[kind]
    tally, draw = Tally(), random.Random(f"{kind} {seed}")
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        sandbox = Path(folder).resolve()
        os.environ["CONVNETS_CACHE"] = str(sandbox / "cache")
        watch = Watch(sandbox)
        begun = time.perf_counter()
        for number, read in zip(range(count + 20), make(sandbox, draw), strict=False):
            started = time.perf_counter()
            watch.on = number >= 20  # the first ones load modules, which is theirs to do
            try:
                with _limited():
                    read()
                tally.accepted += 1
            except expected as error:
                tally.refused[type(error).__name__] += 1
                try:
                    check_line(error)
                except AssertionError as wrong:
                    tally.violations.append(f"{kind} {number}: {wrong}")
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                tally.violations.append(f"{kind} {number}: {type(error).__name__}: {str(error)[:200]}")
            watch.on = False
            tally.slowest = max(tally.slowest, time.perf_counter() - started)
        tally.violations += [f"{kind}: {deed}" for deed in watch.deeds]
        tally.seconds = time.perf_counter() - begun
    tally.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="inputs of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # such as that a picture is animated
    bad = 0
    print(
        f"{'kind':10}{'inputs':>8}{'read':>8}{'refused':>9}{'other':>7}{'slowest':>9}{'peak':>9}{'time':>8}"
    )
    for kind in options.kinds:
        tally = fuzz(kind, options.count, options.seed)
        refused = sum(tally.refused.values())
        inputs = tally.accepted + refused
        print(
            f"{kind:10}{inputs:8,}{tally.accepted:8,}{refused:9,}{len(tally.violations):7,}"
            f"{tally.slowest:8.2f}s{tally.peak_mb:6.0f} MB{tally.seconds:7.0f}s",
            flush=True,
        )
        for violation in tally.violations[:20]:
            print("   ", violation)
        bad += len(tally.violations)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

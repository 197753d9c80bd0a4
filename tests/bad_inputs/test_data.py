"""Bad data given to `convnets train`: one line that names the file, status 1, no run made; or put right, and said."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convnets.data.decode import decode_images
from convnets.data.formats.idx import read_idx
from convnets.data.preprocess import Preprocess
from convnets.data.sources import load_data
from convnets.errors import DataError

Refused = Callable[..., str]
Files = dict[str, bytes]


def encode(picture: Image.Image, format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A whole PNG of white pixels, one bit each."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    pack = zlib.compressobj(9)
    row = b"\0" + b"\xff" * ((width + 7) // 8)
    rows = b"".join(pack.compress(row) for _ in range(height)) + pack.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


JPEG = encode(Image.effect_noise((40, 40), 80).convert("RGB"), "JPEG")
GOOD: Files = {
    f"{part}/{name}/{n}.jpg": JPEG for part in ("train", "val") for name in ("cat", "dog") for n in range(4)
}

FOLDERS: dict[str, tuple[Files, list[str]]] = {
    "empty folder": ({}, ["no pictures", "allowed: root/{train,val,test}/CLASS/*"]),
    "one class": ({"cat/1.jpg": JPEG, "cat/2.jpg": JPEG}, ["one class, 'cat'", "at least two"]),
    "class missing from validation": (
        {name: content for name, content in GOOD.items() if not name.startswith("val/dog")},
        ["class 'dog' of train is missing from validation", "add pictures"],
    ),
    "class names that differ in case only": (
        {"Cat/1.jpg": JPEG, "cat/1.jpg": JPEG}, ["'Cat' and 'cat'", "differ in case", "rename one"],
    ),
    "zero-byte JPEG": ({**GOOD, "train/cat/bad.jpg": b""}, ["train/cat/bad.jpg", "it is empty", "replace the file"]),
    "truncated JPEG": (
        {**GOOD, "train/cat/bad.jpg": JPEG[: len(JPEG) // 2]},
        ["train/cat/bad.jpg", "damaged picture", "truncated", "replace the file"],
    ),
    "HTML named .jpg": (
        {**GOOD, "train/cat/bad.jpg": b"<html>404</html>"}, ["train/cat/bad.jpg", "web page", "allowed: JPEG, PNG"],
    ),
    "100-megapixel PNG": (
        {**GOOD, "train/cat/bad.png": png_of(10_000, 10_000)},
        ["train/cat/bad.png", "10000 × 10000 = 100,000,000 pixels", "allowed: 64,000,000", "make the picture smaller"],
    ),
}  # fmt: skip


def make(root: Path, files: Files) -> Path:
    root.mkdir()
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.mark.parametrize("case", FOLDERS)
def test_training_refuses(refused: Refused, tmp_path: Path, case: str) -> None:
    files, said = FOLDERS[case]
    root = make(tmp_path / "set", files)
    if len(list(root.iterdir())) < len({name.split("/")[0] for name in files}):
        pytest.skip("this file system does not tell Cat from cat")
    line = refused(1, "train", "softmax", "--data", root, "--epochs", "1", "--size", "8")
    assert all(words in line for words in [str(root), *said]), line


@pytest.mark.skipif(os.name != "posix", reason="symbolic links")
@pytest.mark.parametrize(
    ("name", "target", "said"),
    [
        ("loop", "..", "leads to a folder"),
        ("x.jpg", "x.jpg", "in a circle"),
        ("out.jpg", "/etc/hosts", "out of the folder"),
    ],
)
def test_training_refuses_links(refused: Refused, tmp_path: Path, name: str, target: str, said: str) -> None:
    root = make(tmp_path / "set", GOOD)
    (root / "train" / "cat" / name).symlink_to(target)
    line = refused(1, "train", "softmax", "--data", root)
    assert all(words in line for words in (f"train/cat/{name}", said, "remove it")), line


@pytest.mark.skipif(os.name != "posix", reason="bytes in file names")
def test_file_names_that_are_not_utf_8_are_shown_escaped(refused: Refused, tmp_path: Path) -> None:
    root = make(tmp_path / "set", GOOD)
    try:
        (root / "train" / "cat" / os.fsdecode(b"b\xe4r.jpg")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    line = refused(1, "train", "softmax", "--data", root, "--epochs", "1", "--size", "8")
    assert r"train/cat/b\xe4r.jpg: not a picture, it is empty" in line


def turned() -> bytes:
    picture = Image.new("RGB", (8, 16), "blue")
    picture.paste("red", (4, 0, 8, 8))  # its top right is the top left once it is turned back
    exif = Image.Exif()
    exif[0x0112] = 8
    return encode(picture, exif=exif)


def palette_with_alpha() -> bytes:
    picture = Image.new("P", (8, 8), 0)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    return encode(picture, transparency=bytes([0, 255]))


CONVERTED = {
    "EXIF-rotated": (turned(), (255, 0, 0)),
    "CMYK": (encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100), (255, 0, 0)),
    "16-bit": (encode(Image.fromarray(np.full((8, 8), 200 * 257, dtype=np.uint16))), (200, 200, 200)),
    "palette with alpha": (palette_with_alpha(), (255, 255, 255)),
}


@pytest.mark.parametrize("case", CONVERTED)
def test_unusual_pictures_are_converted(case: str, tmp_path: Path) -> None:
    content, color = CONVERTED[case]
    root = make(tmp_path / "set", {"cat/1.jpg": JPEG, "dog/1.png": content})
    pixel = decode_images(load_data(root).train, Preprocess.plain(3, 8)).pixels[1, :, 0, 0]
    assert np.abs(np.array(pixel.tolist()) - color).max() <= 3


def test_of_an_animation_the_first_frame_is_taken_and_that_is_said(tmp_path: Path, warm_python: Any) -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    moving = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    root = make(tmp_path / "set", {"cat/1.png": encode(frames[1]), "dog/1.gif": moving})
    ended = warm_python.run("-m", "convnets", "data", "show", str(root), "-o", "x.png", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "dog/1.gif: animated, 2 frames; the first one is used" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (struct.pack(">4I", 2052, 1, 2, 2) + bytes(4), ["2052", "2051"]),
        (struct.pack(">4I", 2051, 3, 2, 2) + bytes(8), ["3 × 2 × 2 = 12", "8 follow", "get the file again"]),
    ],
    ids=["wrong magic number", "wrong count"],
)
def test_idx(content: bytes, said: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        read_idx(content, "train-images-idx3-ubyte", 3)
    assert all(words in str(caught.value) for words in ["train-images-idx3-ubyte", *said])
    assert "\n" not in str(caught.value)

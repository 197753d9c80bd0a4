"""Bad data, one row each: the error is one line that names the input, what was found and the remedy."""

from __future__ import annotations

import errno
import gzip
import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convnets.data.decode import decode_images
from convnets.data.formats.idx import read_idx
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.data.sources import load_data
from convnets.errors import DataError, UsageError

Files = dict[str, bytes | None]
Make = Callable[..., Path]


def encode(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def hundred_megapixels() -> bytes:
    """A whole, valid PNG of 10,000 × 10,000 white pixels in some 100 kB."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    pack = zlib.compressobj(9)
    rows = b"".join(pack.compress(b"\0" + b"\xff" * 1250) for _ in range(10_000)) + pack.flush()
    header = struct.pack(">IIBBBBB", 10_000, 10_000, 1, 0, 0, 0, 0)  # one bit a pixel
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


JPEG = encode(Image.effect_noise((32, 32), 80).convert("RGB"), "JPEG")
TWO: Files = {"train/cat/1.jpg": None, "train/dog/1.jpg": None}

BAD_FOLDERS: dict[str, tuple[Files, list[str]]] = {
    "empty folder": ({}, ["no pictures", "allowed: root/{train,val,test}/CLASS/*"]),
    "only other files": ({"readme.txt": b"x"}, ["no pictures", "JPEG"]),
    "one class": ({"cat/1.jpg": None}, ["one class, 'cat'", "at least two"]),
    "class missing from validation": (
        {**TWO, "val/cat/1.jpg": None},
        ["class 'dog' of train is missing from validation", "add pictures"],
    ),
    "class names that differ in case only": (
        {"Cat/1.jpg": None, "cat/1.jpg": None},
        ["'Cat' and 'cat'", "case", "rename one"],
    ),
    "empty class": (
        {"cat/1.jpg": None, "dog/1.jpg": None, "cow/": b""},
        ["'cow' holds no pictures", "remove"],
    ),
}

BAD_PICTURES: dict[str, tuple[bytes, list[str]]] = {
    "zero bytes": (b"", ["it is empty", "replace the file or remove it"]),
    "truncated": (JPEG[: len(JPEG) // 2], ["damaged picture", "truncated", "replace the file"]),
    "cut in the header": (JPEG[:100], ["replace the file"]),
    "HTML": (b"<!DOCTYPE html><html>404</html>", ["web page", "allowed: JPEG, PNG"]),
    "100 megapixels": (hundred_megapixels(), ["10000 × 10000 = 100,000,000 pixels", "allowed: 64,000,000"]),
}


def assert_one_line(error: BaseException, said: list[str]) -> None:
    message = str(error)
    assert "\n" not in message
    for expected in said:
        assert expected in message


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("case", BAD_FOLDERS)
def test_bad_folders(case: str, kind: str, make_tree: Make) -> None:
    files, said = BAD_FOLDERS[case]
    path = make_tree(files, kind)
    if kind == "folder" and len(list(path.iterdir())) < len({file.split("/")[0] for file in files}):
        pytest.skip("this file system does not tell Cat from cat")
    with pytest.raises(DataError) as caught:
        load_data(path)
    assert not isinstance(caught.value, UsageError)  # exit status 1
    assert_one_line(caught.value, [str(path), *said])


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("case", BAD_PICTURES)
def test_bad_pictures(case: str, kind: str, make_tree: Make) -> None:
    content, said = BAD_PICTURES[case]
    images = load_data(make_tree({"cat/1.jpg": None, "dog/bad.jpg": content}, kind)).train
    with pytest.raises(DataError) as caught:
        decode_images(images, Preprocess.plain(3, 8))
    assert_one_line(caught.value, ["dog/bad.jpg", *said])
    kept = decode_images(images, Preprocess.plain(3, 8), skip_corrupt=1, on_skip=lambda error: None)
    assert kept.class_counts() == {"cat": 1, "dog": 0}


def unusual_pictures() -> dict[str, tuple[bytes, tuple[int, int, int]]]:
    """Name → file, and the color that its top left corner has when it is shown as meant."""
    turned = Image.new("RGB", (8, 16), "blue")
    turned.paste(
        "red", (4, 0, 8, 8)
    )  # stored turned: its top right is the top left after a quarter turn back
    exif = Image.Exif()
    exif[0x0112] = 8
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    deep = Image.fromarray(np.full((8, 8), 200 * 257, dtype=np.uint16))
    return {
        "EXIF-rotated": (encode(turned, "PNG", exif=exif), (255, 0, 0)),
        "CMYK": (encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100), (255, 0, 0)),
        "16-bit": (encode(deep), (200, 200, 200)),
        "palette with alpha": (encode(palette, transparency=bytes([0, 255])), (255, 255, 255)),
        "animated": (encode(frames[0], "GIF", save_all=True, append_images=frames[1:]), (255, 0, 0)),
        "gray with alpha": (encode(Image.new("LA", (8, 8), (0, 0))), (255, 255, 255)),
    }


@pytest.mark.parametrize("case", unusual_pictures())
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_unusual_pictures_are_converted(case: str, kind: str, make_tree: Make) -> None:
    content, color = unusual_pictures()[case]
    images = load_data(make_tree({"cat/1.jpg": None, "dog/1.png": content}, kind)).train
    pixel = decode_images(images, Preprocess.plain(3, 8)).pixels[1, :, 0, 0]
    assert np.abs(np.array(pixel.tolist()) - color).max() <= 3


IDX_CASES = {
    "wrong magic": (struct.pack(">4I", 2052, 1, 2, 2) + bytes(4), ["2052", "2051"]),
    "labels for images": (struct.pack(">2I", 2049, 12) + bytes(12), ["2049", "2051"]),
    "wrong count": (struct.pack(">4I", 2051, 3, 2, 2) + bytes(8), ["3 × 2 × 2 = 12", "8 follow"]),
    "still packed": (gzip.compress(bytes(100)), ["magic number"]),
}


@pytest.mark.parametrize("case", IDX_CASES)
def test_bad_idx_files(case: str) -> None:
    content, said = IDX_CASES[case]
    with pytest.raises(DataError) as caught:
        read_idx(content, "train-images-idx3-ubyte", 3)
    assert_one_line(caught.value, ["train-images-idx3-ubyte", *said])


@pytest.mark.skipif(os.name != "posix", reason="symbolic links")
@pytest.mark.parametrize(
    ("name", "target", "said"),
    [
        ("loop", "..", "leads to a folder"),
        ("self.jpg", "self.jpg", "leads in a circle"),
        ("out", "/", "leads out of the folder"),
        ("out.jpg", "../../../secret.jpg", "leads out of the folder"),
    ],
)
def test_bad_links(name: str, target: str, said: str, make_tree: Make, tmp_path: Path) -> None:
    root = make_tree(TWO)
    (tmp_path / "secret.jpg").write_bytes(b"")
    (root / "train" / "cat" / name).symlink_to(target)
    with pytest.raises(DataError) as caught:
        load_data(root)
    assert_one_line(caught.value, [f"train/cat/{name}", said, "remove it"])


@pytest.mark.skipif(os.name != "posix", reason="bytes in file names")
def test_file_names_that_are_not_utf_8(make_tree: Make, picture: Callable[..., bytes]) -> None:
    root = make_tree({"cat/1.jpg": None})
    folder = root / os.fsdecode(b"d\xf6g")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    (folder / os.fsdecode(b"\xe9.jpg")).write_bytes(picture())
    (folder / os.fsdecode(b"\xff.jpg")).write_bytes(b"")
    images: ImageSet = load_data(root).train
    assert images.classes == ("cat", r"d\xf6g")
    with pytest.raises(DataError) as caught:
        decode_images(images, Preprocess.plain(3, 8))
    assert_one_line(caught.value, [r"d\xf6g/\xff.jpg", "it is empty"])
    assert str(caught.value).encode("utf-8")
    assert images.content_hash()
    assert len(decode_images(images, Preprocess.plain(3, 8), skip_corrupt=1, on_skip=lambda error: None)) == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("set.tar", "not a whole tar file"),
        ("set.zip", "neither a folder nor a zip archive"),
        ("set.jpg", "neither a folder nor a zip archive"),
    ],
)
def test_a_file_that_is_no_archive(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(DataError) as caught:
        load_data(tmp_path / name)
    assert_one_line(caught.value, [name, said])


def test_a_folder_that_cannot_be_read(make_tree: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    root, scandir = make_tree(TWO), os.scandir

    def refuse_cats(path: Path) -> object:
        if Path(path).name == "cat":  # as permissions would, which do not bind the superuser
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse_cats)
    with pytest.raises(DataError) as caught:
        load_data(root)
    assert_one_line(caught.value, [str(Path("train/cat")), "cannot be read (Permission denied)"])

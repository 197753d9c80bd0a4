"""Every kind of picture becomes upright L or RGB, with values from plain arithmetic as the oracle."""

from __future__ import annotations

import io
import logging
import struct
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from convnets.data.images.opening import open_picture
from convnets.data.images.pillow_warnings import quiet_libtiff
from convnets.errors import ImageDecodeError

MakePicture = Callable[..., bytes]


def encode(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is this large, and has one byte of data."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(b"\0"))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_every_allowed_format_opens(format: str, tmp_path: Path) -> None:
    content = encode(Image.new("RGB", (5, 3), (255, 0, 0)), format)
    (tmp_path / "x").write_bytes(content)
    for source in (content, tmp_path / "x", io.BytesIO(content)):
        picture = open_picture(source, "x")
        assert (picture.mode, picture.size) == ("RGB", (5, 3))
        red, green, blue = picture.getpixel((2, 1))
        assert red > 245
        assert max(green, blue) < 15


@pytest.mark.parametrize("format", ["ICO", "TGA", "PCX", "PDF", "EPS"])
def test_other_formats_are_refused(format: str) -> None:
    content = encode(Image.new("RGB", (16, 16)), format)
    with pytest.raises(ImageDecodeError, match=r"not a picture.*allowed: JPEG, PNG"):
        open_picture(content, "x.png")


@pytest.mark.parametrize("mode", ["L", "1", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I"])
def test_every_mode_becomes_gray_or_rgb(mode: str) -> None:
    content = encode(Image.new(mode, (4, 4)), "TIFF" if mode in ("CMYK", "YCbCr", "I") else "PNG")
    expected = "L" if mode in ("L", "1", "LA", "I;16", "I") else "RGB"
    assert open_picture(content, "x").mode == expected


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_on_white(mode: str) -> None:
    channels = len(mode)
    values = np.random.default_rng(0).integers(0, 256, (8, 8, channels), dtype=np.uint8)
    picture = open_picture(encode(Image.fromarray(values, mode)), "x")
    alpha = values[..., -1:].astype(float) / 255
    expected = values[..., :-1] * alpha + 255 * (1 - alpha)
    found = np.asarray(picture, dtype=float).reshape(8, 8, channels - 1)
    assert np.abs(found - expected).max() <= 1.01


def test_a_palette_with_transparency_is_laid_on_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    for transparency in (1, bytes([255, 0])):
        picture = open_picture(encode(image, transparency=transparency), "x")
        assert [picture.getpixel((x, 0)) for x in (0, 1)] == [(255, 0, 0), (255, 255, 255)]
    assert open_picture(encode(image), "x").getpixel((1, 0)) == (0, 0, 255)


def test_a_transparent_color_of_a_png_is_laid_on_white() -> None:
    gray = Image.fromarray(np.array([[10, 200]], dtype=np.uint8))
    assert list(np.asarray(open_picture(encode(gray, transparency=10), "x"))[0]) == [255, 200]
    color = Image.new("RGB", (1, 1), (1, 2, 3))
    assert open_picture(encode(color, transparency=(1, 2, 3)), "x").getpixel((0, 0)) == (255, 255, 255)
    line = Image.new("1", (1, 1), 0)
    assert open_picture(encode(line, transparency=0), "x").getpixel((0, 0)) == 255


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_scaled_and_rounded(format: str) -> None:
    values = np.array([[0, 1, 128, 129, 257, 1000, 32768, 65279, 65535]], dtype=np.uint16)
    picture = open_picture(encode(Image.fromarray(values), format), "x")
    expected = [round(int(v) * 255 / 65535) for v in values[0]]
    assert list(np.asarray(picture)[0]) == expected


def test_float_pictures_are_scaled_from_the_unit_interval() -> None:
    values = np.array([[0.0, 0.25, 1.0]], dtype=np.float32)
    assert list(np.asarray(open_picture(encode(Image.fromarray(values), "TIFF"), "x"))[0]) == [0, 64, 255]
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(ImageDecodeError, match="allowed: 0 to 1"):
            open_picture(encode(Image.fromarray(np.array([[wrong]], dtype=np.float32)), "TIFF"), "x")


def test_32_bit_integers_beyond_16_bits_are_refused() -> None:
    with pytest.raises(ImageDecodeError, match="70000; allowed: 0 to 65535"):
        open_picture(encode(Image.fromarray(np.array([[70_000]], dtype=np.int32)), "TIFF"), "x")


def test_cmyk_is_not_inverted(picture: MakePicture) -> None:
    red, green, blue = open_picture(picture((0, 255, 255, 0), mode="CMYK"), "x").getpixel((0, 0))
    assert red > 240
    assert max(green, blue) < 15


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_picture_upright(orientation: int, format: str) -> None:
    """The oracle is EXIF's table in words: which side of the scene the first row and column show."""
    scene = np.zeros((16, 32), dtype=np.uint8)  # bright at the top left only, and wider than high
    scene[:8, :8] = 255
    stored = {
        1: scene, 2: scene[:, ::-1], 3: scene[::-1, ::-1], 4: scene[::-1],
        5: scene.T, 6: scene.T[::-1], 7: scene.T[::-1, ::-1], 8: scene.T[:, ::-1],
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    content = encode(
        Image.fromarray(np.ascontiguousarray(stored)).convert("RGB"), format, exif=exif, **options
    )
    upright = np.asarray(open_picture(content, "x").convert("L"), dtype=int)
    assert upright.shape == scene.shape
    assert np.abs(upright - scene).max() < 40


def test_a_telephone_s_jpeg_with_a_second_picture_behind_it_opens() -> None:
    first, second = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (4, 4), "blue")
    content = encode(first, "MPO", save_all=True, append_images=[second])
    assert open_picture(content, "x.jpg").size == (8, 8)


def test_damaged_exif_does_not_matter(picture: MakePicture) -> None:
    content = picture(exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12" * 20)
    assert open_picture(content, "x").size == (12, 8)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_used_and_that_is_said(
    format: str, caplog: pytest.LogCaptureFixture
) -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue", "lime")]
    content = encode(
        frames[0],
        format,
        save_all=True,
        append_images=frames[1:],
        **({"lossless": True} if format == "WEBP" else {}),
    )
    with caplog.at_level(logging.WARNING, "convnets.data.images.opening"):
        picture = open_picture(content, "dance.gif")
    assert picture.getpixel((4, 4)) == (255, 0, 0)
    assert "dance.gif: animated, 3 frames" in caplog.text


def test_the_size_is_refused_before_anything_is_decoded() -> None:
    with pytest.raises(ImageDecodeError, match=r"10000 × 10000 = 100,000,000 pixels; allowed: 64,000,000"):
        open_picture(png_header(10_000, 10_000), "large.png")
    with pytest.raises(ImageDecodeError, match="64,000,000"):
        open_picture(png_header(2**31 - 1, 2**31 - 1), "bomb.png")
    with pytest.raises(ImageDecodeError, match="damaged"):
        open_picture(png_header(8000, 8000), "allowed but empty.png")


def test_the_cap_is_an_argument(picture: MakePicture) -> None:
    assert open_picture(picture(), "x", max_pixels=96).size == (12, 8)
    with pytest.raises(ImageDecodeError, match="12 × 8 = 96 pixels; allowed: 95"):
        open_picture(picture(), "x", max_pixels=95)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "it is a web page"),
        (b"just text", "9 bytes"),
        (b"\xff\xd8\xff\xe0", "x.jpg"),
        (b"\x89PNG\r\n\x1a\n", "x.jpg"),
        (b"GIF89a", "x.jpg"),
    ],
)
def test_what_is_no_picture_says_what_it_is(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(content)
    for source in (content, tmp_path / "x.jpg"):
        with pytest.raises(ImageDecodeError) as caught:
            open_picture(source, "x.jpg")
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_truncated_and_mutated_files_give_one_kind_of_error(format: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    content = encode(Image.fromarray(noise), format)
    rng = np.random.default_rng(2)
    with pytest.raises(ImageDecodeError, match="x: "):
        open_picture(content[: len(content) // 2], "x")
    for _ in range(60):
        mutated = bytearray(content[: rng.integers(1, len(content) + 1)])
        for position in rng.integers(0, len(mutated), 3):
            mutated[position] = rng.integers(0, 256)
        with suppress(ImageDecodeError):  # anything else that is raised fails the test
            assert open_picture(bytes(mutated), "x").mode in ("L", "RGB")


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    with pytest.raises(ImageDecodeError, match="No such file"):
        open_picture(tmp_path / "none.jpg", "none.jpg")
    with pytest.raises(ImageDecodeError, match="directory"):
        open_picture(tmp_path, "folder.jpg")


def test_warnings_neither_leak_nor_are_filters_left_behind() -> None:
    before = list(warnings.filters)
    image = Image.new("P", (2, 2))
    content = encode(image, transparency=bytes([0] * 256))
    with ThreadPoolExecutor(8) as pool:
        modes = list(pool.map(lambda _: open_picture(content, "x").mode, range(200)))
    assert modes == ["RGB"] * 200
    assert warnings.filters == before


def test_libtiff_writes_no_lines_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    """Its faults are in our one line; a reader below Python would write another beside it."""
    if not quiet_libtiff():
        pytest.skip("another libtiff than that of Pillow's wheels")
    noise = np.random.default_rng(1).integers(0, 2, (24, 24), dtype=np.uint8) * 255
    content = bytearray(encode(Image.fromarray(noise).convert("1"), "TIFF", compression="group4"))
    for place in range(10, 40):
        content[place] ^= 0x5A
    with suppress(ImageDecodeError):
        open_picture(bytes(content), "x.tif")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("pixels", [1, 7, 50])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "I;16", "P"])
def test_strips_of_any_height_give_the_same_picture(
    mode: str, pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).integers(0, 256, (11, 5, 4), dtype=np.uint8)
    image = Image.fromarray(values)
    if mode == "I;16":
        image = Image.fromarray(values[..., 0].astype(np.uint16) * 199)
    elif mode == "P":
        image = image.convert("RGB").quantize(8)
    content = encode(
        image if mode in ("I;16", "P") else image.convert(mode),
        **({"transparency": 2} if mode == "P" else {}),
    )
    whole = np.asarray(open_picture(content, "x"))
    monkeypatch.setattr("convnets.data.images.modes._STRIP_PIXELS", pixels)
    assert np.array_equal(np.asarray(open_picture(content, "x")), whole)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_that_tells_its_orientation_by_xmp_alone(orientation: int) -> None:
    """As Pillow's `exif_transpose` turns it."""
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:4, :8] = 255
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{orientation}"/>'
        "</rdf:RDF></x:xmpmeta>"
    )
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", xmp=xmp.encode(), quality=100, subsampling=0)
    with Image.open(io.BytesIO(file.getvalue())) as opened:
        assert "exif" not in opened.info
        expected = np.asarray(ImageOps.exif_transpose(opened))
    assert np.array_equal(np.asarray(open_picture(file.getvalue(), "it")), expected)

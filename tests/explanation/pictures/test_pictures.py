"""Tiles, colors, letters and files."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, UsageError
from convnets.explanation.pictures.colors import ColorScale, as_picture, class_colors, scale_of
from convnets.explanation.pictures.figure_file import write_figure
from convnets.explanation.pictures.lettering import drawable, shortened, text_width, wrapped
from convnets.explanation.pictures.tile_grid import Tile, TileGrid, TileRow, in_rows
from convnets.explanation.representations.prototypes import find_prototypes
from convnets.explanation.sample import pixels_of, spread_sample


def test_signed_values_diverge_around_zero_and_others_do_not() -> None:
    signed, unsigned = scale_of(np.array([-2.0, 1.0, np.nan])), scale_of(np.array([0.0, 3.0, np.inf]))
    assert (signed.low, signed.high, signed.signed) == (-2.0, 2.0, True)
    assert (unsigned.low, unsigned.high, unsigned.signed) == (0.0, 3.0, False)
    low, middle, high = signed.color(np.array([-2.0, 0.0, 2.0])).astype(int)
    assert middle.min() > 240  # white
    assert low[2] > low[0]  # blue
    assert high[0] > high[2]  # red
    gray = [scale.color(np.array([np.nan]))[0].tolist() for scale in (signed, unsigned)]
    assert gray == [[128] * 3] * 2
    brightness = unsigned.color(np.linspace(0, 3, 20)) @ np.array([0.299, 0.587, 0.114])
    assert (np.diff(brightness) > 0).all()  # order can be told without color
    assert ColorScale(0.0, 0.0).color(np.zeros((2, 2))).shape == (2, 2, 3)


def test_class_colors_are_far_apart_for_every_kind_of_color_vision() -> None:
    """Machado, Oliveira & Fernandes 2009, full strength, in linear RGB: the nearest pair stays tellable."""
    kinds = {
        "none": np.eye(3),
        "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
        "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    }
    values = np.array([[int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)] for color in class_colors(8)])
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    for matrix in kinds.values():
        seen = np.clip(linear @ np.array(matrix).T, 0, 1) ** (1 / 2.2)
        distances = np.linalg.norm(seen[:, None] - seen[None], axis=2) + 9 * np.eye(8)
        assert distances.min() > 0.12
    assert class_colors(12)[10] == class_colors(12)[0]


def test_letters_fit_their_place() -> None:
    assert text_width("mm", 10) == pytest.approx(2 * text_width("m", 10), rel=0.01)
    for words in ("stage2.0.conv1.weight", "狗" * 9):
        assert text_width(shortened(drawable(words), 50, 8), 8) <= 50
    lines = wrapped("one two three four five six " * 3, 90, 8)
    assert all(text_width(line, 8) <= 90 for line in lines)
    assert " ".join(lines).split() == ("one two three four five six " * 3).split()
    assert drawable("a\x00\nb") == "a� b"


def test_tiles_are_drawn_where_they_belong(tmp_path: Path) -> None:
    red = np.zeros((4, 4, 3), dtype=np.uint8)
    red[..., 0] = 255
    blue = red[..., ::-1].copy()
    grid = TileGrid("title", ["note"], [TileRow("row", [Tile(red), None, Tile(blue, ["$x$<"])])], side=40)
    with Image.open(grid.save(tmp_path / "grid.png")) as picture:
        pixels = np.array(picture.convert("RGB")).astype(int)
    reds = np.argwhere((pixels == [255, 0, 0]).all(2))
    blues = np.argwhere((pixels == [0, 0, 255]).all(2))
    for found in (reds, blues):  # squares of 40 pixels at twice the resolution, but for their frames
        height, width = found.max(0) - found.min(0) + 1
        assert (height, width) == pytest.approx((80, 80), abs=4)
    assert blues[:, 1].min() - reds[:, 1].max() > 80  # the free place between them
    svg = grid.save(tmp_path / "grid.svg").read_text()
    assert "$x$&lt;" in svg
    assert len(re.findall("<image ", svg)) == 2


def test_small_tiles_grow_by_whole_pixels_and_large_ones_shrink() -> None:
    tiles = [Tile(np.zeros((side, side, 3), dtype=np.uint8)) for side in (3, 28, 200)]
    axes = TileGrid("", [], in_rows(tiles, 3), side=64).figure().axes[0]
    sides = [abs(image.get_extent()[1] - image.get_extent()[0]) for image in axes.images]
    assert sides == [63, 56, 64]


def test_files_by_their_ending(tmp_path: Path) -> None:
    figure = Figure(figsize=(2, 1))
    page = write_figure(tmp_path / "a" / "figure.html", figure, "<title>", "words & more").read_text()
    assert "<h1>&lt;title&gt;</h1>" in page
    assert "words &amp; more" in page
    assert "<script" not in page
    with Image.open(write_figure(tmp_path / "figure.PNG", figure, "title")) as picture:
        assert picture.size == (400, 200)
    with pytest.raises(UsageError, match=r"figure\.jpg ends in '\.jpg'; allowed: \.png, \.svg, \.html"):
        write_figure(tmp_path / "figure.jpg", figure, "title")


def test_a_sample_is_spread_and_pictures_are_as_the_network_sees_them() -> None:
    images = ImageSet(torch.zeros(10, 1, 6, 6, dtype=torch.uint8), torch.arange(10), tuple("abcdefghij"))
    assert spread_sample(images, None) is images
    assert spread_sample(images, 3).labels.tolist() == [0, 3, 6]
    with pytest.raises(ConfigError, match="0 images"):
        spread_sample(images, 0)
    assert pixels_of(images, Preprocess.plain(1, 4)).shape == (10, 1, 6, 6)
    assert as_picture(np.zeros((1, 2, 3), dtype=np.uint8)).shape == (2, 3, 3)


def test_a_record_shows_its_figure_in_a_notebook_whatever_classes_are_called() -> None:
    """Well-formed and without scripts; `Prototypes` carries names that users give."""
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 2))
    pixels = torch.randint(256, (8, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    images = ImageSet(pixels, torch.arange(8) % 2, ("<script>x</script>&$a$", "狗\x00"), "a & <b>")
    found = find_prototypes(network, images, Preprocess.plain(1, 8), count=2, stage="logits")
    page = found._repr_html_()
    tree = ElementTree.fromstring(page)
    assert tree.tag == "div"
    assert not [each for each in tree.iter() if each.tag.endswith("script")]
    assert "&lt;script&gt;" in page

"""Image sets as a notebook shows them: pictures that are theirs, counts, and nothing that a name could smuggle in."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image

from convnets.data.image_set import ImageSet, Splits
from convnets.errors import ImageDecodeError


class Elements(HTMLParser):
    """What a browser would see: tags, texts, and the pictures in their order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.pictures: list[np.ndarray] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag == "img":
            given = dict(attrs)
            source = str(given["src"])
            assert source.startswith("data:image/png;base64,")
            picture = Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))
            assert picture.size == (int(str(given["width"])), int(str(given["height"])))
            self.pictures.append(np.asarray(picture.convert("RGBA")))

    def handle_data(self, data: str) -> None:
        if self.tags[-1] != "style" and data.strip():
            self.texts.append(data)


def images(count: int, channels: int = 1, side: int = 8, classes: int = 3, seed: int = 0) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (count, channels, side, side), generator=generator, dtype=torch.uint8)
    names = tuple(f"class {index}" for index in range(classes))
    return ImageSet(pixels, torch.arange(count) % classes, names, "noise")


def test_each_class_shows_its_first_pictures() -> None:
    shown = images(30)
    found = Elements(shown._repr_html_())
    assert len(found.pictures) == 3
    for label, strip in enumerate(found.pictures):
        members = (shown.labels == label).nonzero().flatten()[:8].tolist()
        assert strip.shape[:2] == (40, 8 * 40 + 7 * 3)  # five times as large, with gaps
        for place, index in enumerate(members):
            left = place * 43
            tile = strip[2:40:5, left + 2 : left + 40 : 5]  # the middle of each enlarged pixel
            assert np.array_equal(tile[..., 0], shown.pixels[index, 0].numpy())
            assert (tile[..., 3] == 255).all()
        assert (strip[:, 40:43, 3] == 0).all()  # the page shows through between them


def test_facts_and_counts_are_told() -> None:
    one = images(31)
    texts = Elements(one._repr_html_()).texts
    assert texts[0] == "noise"
    assert texts[1] == "31 images 1 × 8 × 8, 3 classes of 10 to 11, 0.0 MB in memory"
    assert texts[2:] == ["class", "images", "class 0", "11", "class 1", "10", "class 2", "10"]
    uneven = ImageSet(one.pixels[:4], torch.tensor([0, 0, 0, 1]), ("a", "b"), "uneven")
    assert "--share: 33.3%" in uneven._repr_html_()
    assert "--share" not in re.sub("<style>.*?</style>", "", one._repr_html_(), flags=re.DOTALL)


def test_parts_stand_side_by_side() -> None:
    parts = Splits(images(30), test=images(9, seed=1))
    found = Elements(parts._repr_html_())
    assert found.texts[:3] == [
        "noise",
        "train: 30 images 1 × 8 × 8, 3 classes of 10, 0.0 MB in memory",
        "test: 9 images 1 × 8 × 8, 3 classes of 3, 0.0 MB in memory",
    ]
    assert found.texts[3:9] == ["class", "train", "test", "class 0", "10", "3"]
    assert len(found.pictures) == 3


@pytest.mark.parametrize(("channels", "side", "classes"), [(3, 64, 12), (3, 32, 300), (1, 224, 12)])
def test_a_saved_notebook_stays_small(channels: int, side: int, classes: int) -> None:
    html = images(10 * classes, channels, side, classes)._repr_html_()
    assert len(html) < 100_000
    found = Elements(html)
    assert len(found.pictures) == min(classes, 12)
    if classes > 12:
        assert f"… and {classes - 12} classes more" in found.texts


def test_names_cannot_smuggle_anything_in() -> None:
    name = "<script>alert(1)</script>\x00\udc80\" onerror='x'"
    shown = ImageSet(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0]), (name, "b"), name)
    html = shown._repr_html_()
    html.encode("utf-8")
    found = Elements(html)
    assert set(found.tags) == {"div", "style", "p", "table", "thead", "tbody", "tr", "th", "td", "img"}
    assert len(found.pictures) == 1  # the other class has no picture
    assert "\n" not in repr(shown)


class Files:
    """Pictures that are files, some of which cannot be read."""

    def __init__(self, broken: Sequence[bool]) -> None:
        self.broken = list(broken)
        self.names = [f"{index}.png" for index in range(len(broken))]

    def __len__(self) -> int:
        return len(self.broken)

    def open(self, index: int) -> Image.Image:
        if self.broken[index]:
            raise ImageDecodeError(f"{index}.png is broken")
        return Image.new("RGB", (400, 200), (index, 100, 200))

    def subset(self, indices: Sequence[int]) -> Files:
        return Files([self.broken[index] for index in indices])

    def content_hash(self) -> str:
        return "0" * 64


def test_files_are_opened_and_broken_ones_left_out() -> None:
    shown = ImageSet(Files([True, False, False, True]), torch.tensor([0, 0, 1, 2]), ("a", "b", "c"), "files")
    found = Elements(shown._repr_html_())
    assert found.texts[1] == "4 images of any size, 3 classes of 1 to 2, still files"
    assert [picture.shape[:2] for picture in found.pictures] == [(20, 40), (20, 40)]
    assert abs(found.pictures[1][10, 20].astype(int) - [2, 100, 200, 255]).max() <= 4

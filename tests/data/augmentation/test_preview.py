"""The preview: a PNG that can be looked at, whose tiles are the images that it claims to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convnets.core.seeds import generator_for
from convnets.data.augmentation.augment import HorizontalFlip, PerBatch, RandomCrop, parse_augmentations
from convnets.data.augmentation.mixing import CutMix, Mixup
from convnets.data.augmentation.preview import preview_augmentations
from convnets.data.image_set import ImageSet
from convnets.data.images.contact_sheet import ContactSheet, SheetRow
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, UsageError


class Drawn:
    """Pictures that are not decoded yet, made from a formula."""

    def __init__(self, sizes: Sequence[tuple[int, int]], mode: str = "RGB") -> None:
        self.sizes, self.mode = sizes, mode
        self.names = [f"{index}.png" for index in range(len(sizes))]

    def __len__(self) -> int:
        return len(self.sizes)

    def open(self, index: int) -> Image.Image:
        return Image.linear_gradient("L").resize(self.sizes[index]).convert(self.mode)

    def subset(self, indices: Sequence[int]) -> Drawn:
        return Drawn([self.sizes[index] for index in indices], self.mode)

    def content_hash(self) -> str:
        return "0" * 64


def noise(
    count: int = 12, channels: int = 3, height: int = 16, width: int = 16, classes: int = 3
) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, channels, height, width), generator=generator, dtype=torch.uint8)
    names = tuple(f"class {index}" for index in range(classes))
    return ImageSet(images, torch.arange(count) % classes, names, "noise")


def tiles(path: Path, side: int = 112) -> list[list[np.ndarray]]:
    """The tiles of a sheet of noise, found by looking for what is neither paper nor text: rows of square blocks."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    busy = (pixels.min(2) < 250) & (np.abs(pixels - np.array([208, 215, 222])).sum(2) > 0)
    dense_rows = busy.mean(1) > 0.5
    starts = [y for y in range(1, len(dense_rows)) if dense_rows[y] and not dense_rows[y - 1]]
    found = []
    for top in starts:
        dense = busy[top : top + side].mean(0) > 0.6
        lefts = [x for x in range(1, len(dense)) if dense[x] and not dense[x - 1]]
        found.append([pixels[top : top + side, left : left + side] for left in lefts])
    return found


def test_tiles_are_the_images_before_and_after(tmp_path: Path) -> None:
    images = noise()
    augment = (HorizontalFlip(0.5), RandomCrop(2))
    path = preview_augmentations(images, augment, tmp_path / "batch.png", count=4, seed=3)
    shown = tiles(path)
    assert [len(row) for row in shown] == [7, 7, 7, 7]
    pixels = images.images[:4].float() / 255  # the first of classes 0, 1, 2, then the second of 0
    after = []
    for draw in range(6):
        generator = generator_for(3, "preview", draw)
        changed = pixels
        for augmentation in augment:
            changed = augmentation(changed, generator)
        after.append(changed)
    for row, place in zip(shown, [0, 1, 2, 3], strict=True):
        for tile, batch in zip(row, [pixels, *after], strict=True):
            small = tile[3::7, 3::7].transpose(2, 0, 1)  # whole pixels of 7 × 7, nearest neighbor
            np.testing.assert_array_equal(small, (batch[place] * 255).round().numpy())


def test_equal_arguments_write_equal_files_and_seeds_differ(tmp_path: Path) -> None:
    augment = parse_augmentations("flip,crop,jitter,erasing")
    written = [
        preview_augmentations(noise(), augment, tmp_path / f"{index}.png", seed=seed).read_bytes()
        for index, seed in enumerate((0, 0, 1))
    ]
    assert written[0] == written[1] != written[2]


@pytest.mark.parametrize("mixing", [None, Mixup(), CutMix()])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 8, 8), (3, 300, 200), (1, 1, 1), (3, 5, 40)])
def test_any_size_and_channels(tmp_path: Path, shape: tuple[int, int, int], mixing: Mixup | None) -> None:
    augment = parse_augmentations("flip,crop")
    path = preview_augmentations(noise(5, *shape), augment, tmp_path / "a.png", mixing=mixing)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.mode == "RGB"
        assert 480 <= picture.width < 1400
        assert 100 < picture.height < 1400


def test_pictures_that_are_still_files(tmp_path: Path) -> None:
    files = Drawn([(300, 240), (80, 90), (100, 100)])
    images = ImageSet(files, torch.tensor([0, 1, 1]), ("a", "b"), "files")
    seen: list[torch.Size] = []
    spy = PerBatch(lambda batch: (seen.append(batch.shape), batch)[1])
    preview_augmentations(images, (spy,), tmp_path / "a.png", count=3)
    preview_augmentations(images, (spy,), tmp_path / "b.png", preprocess=Preprocess.plain(1, 24, 32))
    preview_augmentations(replace(images, images=Drawn(files.sizes, "L")), (spy,), tmp_path / "c.png")
    preview_augmentations(images, (), tmp_path / "d.png")
    assert seen[0] == (3, 3, 80, 80)
    assert seen[6] == (3, 1, 32, 32)
    assert seen[12] == (3, 1, 80, 80)


def test_without_augmentation_rows_are_classes(tmp_path: Path) -> None:
    images = noise(30)
    shown = tiles(preview_augmentations(images, (), tmp_path / "a.png"))
    assert [len(row) for row in shown] == [7, 7, 7]
    for label, row in enumerate(shown):
        for index, tile in enumerate(row):
            np.testing.assert_array_equal(
                tile[3::7, 3::7].transpose(2, 0, 1), images.images[label + 3 * index]
            )  # type: ignore[index]


def test_odd_names_are_drawn_without_a_warning(tmp_path: Path) -> None:
    names = ("鞋子", "name " * 60, "\udcff\udcfe broken bytes", "two\nlines", "")
    images = replace(noise(10, classes=5), classes=names, source="/a/very/long/folder" * 20)
    plain = preview_augmentations(images, parse_augmentations("flip"), tmp_path / "a.png", mixing=Mixup())
    with Image.open(plain) as picture:
        assert picture.width < 1400


def test_values_that_a_callable_of_the_user_gives_are_cut(tmp_path: Path) -> None:
    wild = PerBatch(lambda images: torch.where(images > 0.5, float("nan"), images * 40 - 5))
    images = noise()
    (row,) = tiles(preview_augmentations(images, (wild,), tmp_path / "a.png", count=1))
    unit = images.images[0].double().numpy() / 255  # type: ignore[index]
    expected = np.where(unit > 0.5, 0, np.clip(unit * 40 - 5, 0, 1) * 255)
    for tile in row[1:]:
        np.testing.assert_allclose(tile[3::7, 3::7].transpose(2, 0, 1), expected, atol=0.51)


def test_folders_on_the_way_are_made_and_unwritable_paths_said(tmp_path: Path) -> None:
    path = preview_augmentations(noise(), (), tmp_path / "new" / "folder" / "a.PNG")
    assert path.is_file()
    with pytest.raises(UsageError, match=r"cannot be written .*; choose another path"):
        preview_augmentations(noise(), (), path / "b.png")


def test_what_is_not_allowed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="preview count is 0; allowed: 1 or more"):
        preview_augmentations(noise(), (), tmp_path / "a.png", count=0)
    with pytest.raises(ConfigError, match=r"allowed: a name that ends in .png"):
        preview_augmentations(noise(), (), tmp_path / "a.jpg")
    assert list(tmp_path.iterdir()) == []


def test_sheet_without_captions_is_lower() -> None:
    tile = torch.zeros(3, 8, 8, dtype=torch.uint8)
    heights = [
        ContactSheet("t", ("note",), (("all", 2),), (SheetRow("r", (tile, tile), captions),)).draw().height
        for captions in ((), (("one",), ("one", "two")))
    ]
    assert heights[1] - heights[0] == 38

"""The label errors as pictures: a contact sheet, and a page that opens in a browser."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from convnets.core.html.kit import note, page, section, table
from convnets.core.storage.files import atomic_path, write_text
from convnets.data.image_set import ImageSet
from convnets.data.images.contact_sheet import ContactSheet, SheetRow
from convnets.data.images.thumbnail import pixels_html
from convnets.data.preprocess import Preprocess
from convnets.errors import InputError
from convnets.selection.labels.label_errors import LabelErrors

__all__ = ["write_label_page", "write_label_sheet"]

_COLUMNS, _ON_SHEET, _ON_PAGE = 8, 40, 400
_STORED = 112  # pixels of the short side that pictures from files are shown at


def write_label_sheet(path: Path, errors: LabelErrors, images: ImageSet) -> Path:
    """Write the 40 surest as a PNG file: given label, then what they probably are; returns the path."""
    _check(errors, images)
    shown = errors.errors[:_ON_SHEET]
    if not shown:
        raise InputError(f"no label errors in {images.source}; there is nothing to draw")
    tiles = [pixels_of(images, each.index) for each in shown]
    captions = [(each.given, f"→ {each.suggested}") for each in shown]
    rows = [
        SheetRow(str(start + 1), tiles[start : start + _COLUMNS], captions[start : start + _COLUMNS])
        for start in range(0, len(tiles), _COLUMNS)
    ]
    notes = (errors.headline() + ". Under each image its label, and what it probably is; the surest first.",)
    sheet = ContactSheet(f"Label errors of {images.source}", notes, (("", min(_COLUMNS, len(tiles))),), rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        sheet.draw().save(temporary, format="PNG")
    return path


def write_label_page(path: Path, errors: LabelErrors, images: ImageSet) -> Path:
    """Write an HTML page that needs no other file: rates by class, and the 400 surest; returns the path."""
    _check(errors, images)
    classes = [
        [each.name, f"{each.images:,}", f"{each.found:,}", f"{each.noise_rate:.2%}"]
        for each in errors.classes
    ]
    rows = [
        [
            pixels_html(pixels_of(images, each.index), f"image {each.index}"),
            str(each.index),
            each.given,
            each.suggested,
            f"{each.margin:.3f}",
            each.name,
        ]
        for each in errors.errors[:_ON_PAGE]
    ]
    more = len(errors.errors) - len(rows)
    found = page(
        f"Label errors of {images.source}",
        note(errors.headline()),
        section("By class", table(("label", "images", "found", "estimated rate"), classes)),
        section("The surest first", table(("picture", "image", "given", "probably", "margin", "name"), rows)),
        note(f"… and {more:,} more in the CSV file") if more > 0 else "",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, found)
    return path


def pixels_of(images: ImageSet, index: int) -> Tensor:
    """uint8 C×H×W of one image; a file is read and its middle shown."""
    if isinstance(images.images, Tensor):
        return images.images[index]
    opened = images.images.open(index)
    channels = 1 if opened.mode == "L" else 3
    return Preprocess.plain(channels, _STORED).store(opened)


def _check(errors: LabelErrors, images: ImageSet) -> None:
    if errors.images != len(images):
        raise InputError(
            f"{images.source} has {len(images)} images, the label errors are of {errors.images}; give those images"
        )

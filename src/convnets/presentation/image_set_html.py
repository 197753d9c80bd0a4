"""An image set as a notebook shows it: its facts, its classes with their counts, and a few pictures of each.

K classes, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PIL import Image
from torch import Tensor

from convnets.core.html.kit import card, note, paragraph, png, share, table
from convnets.data.image_set import ImageSet
from convnets.data.images.names import printable
from convnets.data.images.thumbnail import png_bytes, thumbnail
from convnets.data.shards.images import ShardPictures
from convnets.errors import ConvnetsError

__all__ = ["image_sets_html"]

_CLASSES_SHOWN = 12
_PICTURES_SHOWN = 8
_FILES_SHOWN = 4  # of each class, where every picture is a file to open
_SIDE = 40  # pixels that a picture's long side is brought near to
_GAP = 3
_BYTES = 60_000  # of all pictures together, so that saved notebooks stay small


def image_sets_html(source: str, parts: Mapping[str, ImageSet]) -> str:
    """The card of one image set, or of the parts of one data set by their names; pictures are those of the first.

    Pictures are the first of each class. Sets of more than 12 classes show the first 12.
    """
    first = next(iter(parts.values()))
    facts = [paragraph(_facts(part, name if len(parts) > 1 else "")) for name, part in parts.items()]
    counts = {name: part.class_counts() for name, part in parts.items()}
    classes = first.classes[:_CLASSES_SHOWN]
    strips = _strips(first, len(classes))
    head = ["class", *(counts if len(parts) > 1 else ["images"]), ""]
    rows = [
        [printable(name), *(_count(counts[part], name) for part in parts), strip]
        for name, strip in zip(classes, strips, strict=True)
    ]
    left = len(first.classes) - len(classes)
    more = [note(f"… and {left:,} classes more")] if left > 0 else []
    return card(printable(source), *facts, table(head, rows), *more)


def _facts(images: ImageSet, name: str) -> str:
    counts = images.class_counts().values()
    each = f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"
    if isinstance(images.images, Tensor):
        kind = " × ".join(map(str, images.images.shape[1:]))
        where = f"{images.nbytes / 1e6:,.1f} MB in memory"
    else:
        kind, where = "of any size", "still files"
    classes = f"{len(images.classes):,} classes of {each}"
    return f"{f'{name}: ' if name else ''}{len(images):,} images {kind}, {classes}, {where}"


def _count(counts: Mapping[str, int], name: str) -> str:
    """A count, with a bar where the classes are not all about as large."""
    most = max(counts.values())
    words = f"{counts[name]:,}"
    return share(counts[name] / most, words) if min(counts.values()) < 0.9 * most else words


def _strips(images: ImageSet, classes: int) -> list[str]:
    """An `<img>` for each of the first `classes` classes, or nothing where there is none to show."""
    if isinstance(images.images, ShardPictures):  # they may lie on another machine
        return [""] * classes
    resident = isinstance(images.images, Tensor)
    shown = _PICTURES_SHOWN if resident else _FILES_SHOWN
    members = [(images.labels == label).nonzero().flatten()[:shown].tolist() for label in range(classes)]
    tiles = [[tile for index in part if (tile := _tile(images, index)) is not None] for part in members]
    contents = [_strip(part) for part in tiles]
    while shown > 1 and sum(len(content) for content, _ in contents) > _BYTES:
        shown -= 1
        contents = [_strip(part[:shown]) for part in tiles]
    return [
        png(content, f"pictures of {printable(name)}", *size) if content else ""
        for name, (content, size) in zip(images.classes, contents, strict=False)
    ]


def _tile(images: ImageSet, index: int) -> Image.Image | None:
    """A picture as it is, or reduced to `_SIDE`; None where it cannot be read."""
    if isinstance(images.images, Tensor):
        array = images.images[index].permute(1, 2, 0).contiguous().cpu().numpy()
        picture = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
    else:
        try:
            picture = images.images.open(index)
        except ConvnetsError:
            return None
    return thumbnail(picture, _SIDE)


def _strip(tiles: Sequence[Image.Image]) -> tuple[bytes, tuple[int, int]]:
    """The pictures side by side as PNG, the page to be seen in between, and its size."""
    if not tiles:
        return b"", (0, 0)
    width = sum(tile.width for tile in tiles) + _GAP * (len(tiles) - 1)
    paper = Image.new("RGBA", (width, max(tile.height for tile in tiles)), (0, 0, 0, 0))
    left = 0
    for tile in tiles:
        paper.paste(tile.convert("RGBA"), (left, (paper.height - tile.height) // 2))
        left += tile.width + _GAP
    drawn = paper.convert("LA") if all(tile.mode == "L" for tile in tiles) else paper
    return png_bytes(drawn), paper.size

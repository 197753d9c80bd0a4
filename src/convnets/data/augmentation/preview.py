"""Preview: a picture of a batch before and after its augmentations.

N images, C channels, H height, W width, S side, K classes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from convnets.core.seeds import generator_for
from convnets.core.storage.files import write_bytes
from convnets.data.augmentation.augment import Augmentation, augment_images
from convnets.data.augmentation.mixing import Mixing, one_hot
from convnets.data.image_set import ImageSet
from convnets.data.images.contact_sheet import ContactSheet, SheetRow
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, UsageError

__all__ = ["preview_augmentations"]

_DRAWS = 6
# Side of pictures that are still files when no preprocess says it; smaller pictures keep their short side
_LARGEST_SIDE = 224


def preview_augmentations(
    image_set: ImageSet,
    augment: Sequence[Augmentation],
    path: Path,
    *,
    count: int = 8,
    seed: int = 0,
    mixing: Mixing | None = None,
    preprocess: Preprocess | None = None,
) -> Path:
    """Write a PNG with one row for each of `count` images, a different class each as far as they go.

    A row shows the class, the image before, and the image after six separate draws; with `mixing`, the shares
    of the classes under each. Without any augmentation or mixing, a row shows seven images of one class
    instead. `preprocess` gives the channels and size that a network would see; without it images keep their
    own. Equal arguments write equal pictures. Returns the path. Raises ConfigError for a count below 1 or a
    name that does not end in .png, ImageDecodeError for a broken picture, UsageError when the file cannot be
    written.

    >>> import tempfile
    >>> from convnets.data.augmentation.augment import parse_augmentations
    >>> pixels = torch.randint(256, (4, 1, 28, 28), dtype=torch.uint8)
    >>> images = ImageSet(pixels, torch.tensor([0, 1, 0, 1]), ("cat", "dog"), "noise")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = preview_augmentations(images, parse_augmentations(["flip"]), Path(folder, "batch.png"))
    ...     written.name
    'batch.png'
    """
    if count < 1:
        raise ConfigError(f"preview count is {count}; allowed: 1 or more")
    if Path(path).suffix.lower() != ".png":
        raise ConfigError(f"preview path is {str(path)!r}; allowed: a name that ends in .png")
    changes = bool(augment) or mixing is not None
    sheet = (
        _before_and_after(image_set, augment, mixing, preprocess, count, seed)
        if changes
        else _gallery(image_set, preprocess, count)
    )
    return _write(sheet.draw(), Path(path))


def _before_and_after(
    image_set: ImageSet,
    augment: Sequence[Augmentation],
    mixing: Mixing | None,
    preprocess: Preprocess | None,
    count: int,
    seed: int,
) -> ContactSheet:
    chosen = image_set.subset(torch.tensor(_one_of_each_class(image_set.labels, count)))
    pixels = _pixels(chosen, preprocess)
    targets = one_hot(chosen.labels, len(chosen.classes))
    draws = []
    for draw in range(_DRAWS):
        generator = generator_for(seed, "preview", draw)
        images = augment_images(pixels, augment, generator)
        images = preprocess.fit(images) if preprocess else images
        draws.append(mixing(images, targets, generator) if mixing else (images, targets))
    before = preprocess.fit(pixels) if preprocess else pixels
    shown = [_to_uint8(images) for images in (before, *(images for images, _ in draws))]
    rows = []
    for index, label in enumerate(chosen.labels.tolist()):
        tiles = [images[index] for images in shown]
        shares = [
            _shares(mixed[index], chosen.classes) for mixed in (targets, *(mixed for _, mixed in draws))
        ]
        rows.append(SheetRow(chosen.classes[label], tiles, shares if mixing else ()))
    steps: list[Augmentation | Mixing] = [*augment, *([mixing] if mixing else [])]
    notes = [" → ".join(_settings(step) for step in steps)]
    return ContactSheet(chosen.source, notes, (("before", 1), (f"after: {_DRAWS} draws", _DRAWS)), rows)


def _settings(step: Augmentation | Mixing) -> str:
    """A step as Python shows it, with numbers of at most four digits."""
    return re.sub(r"\d+\.\d{4,}", lambda number: f"{float(number[0]):.4g}", repr(step))


def _gallery(image_set: ImageSet, preprocess: Preprocess | None, count: int) -> ContactSheet:
    labels = image_set.labels
    present = [label for label in range(len(image_set.classes)) if bool((labels == label).any())][:count]
    columns = _DRAWS + 1
    members = [torch.nonzero(labels == label).flatten()[:columns] for label in present]
    ends = torch.tensor([len(part) for part in members]).cumsum(0)[:-1]
    pixels = _pixels(image_set.subset(torch.cat(members)), preprocess)
    parts = _to_uint8(preprocess.fit(pixels) if preprocess else pixels).tensor_split(ends)
    rows = [
        SheetRow(image_set.classes[label], tuple(part)) for label, part in zip(present, parts, strict=True)
    ]
    note = f"{len(image_set):,} images of {len(image_set.classes):,} classes"
    return ContactSheet(image_set.source, (note,), (("first images of each class", columns),), rows)


def _one_of_each_class(labels: Tensor, count: int) -> list[int]:
    """Places of `count` images: the first of each class, then the second of each, and so on."""
    seen: dict[int, int] = {}
    ranked = []
    for place, label in enumerate(labels.tolist()):
        seen[label] = seen.get(label, 0) + 1
        ranked.append((seen[label], label, place))
    return [place for _, _, place in sorted(ranked)[:count]]


def _pixels(image_set: ImageSet, preprocess: Preprocess | None) -> Tensor:
    """float32 N×C×H×W in [0, 1], of pictures in memory or in files."""
    if isinstance(image_set.images, Tensor):
        return preprocess.to_unit(image_set.images) if preprocess else image_set.images.float() / 255
    pictures = list(_open(image_set))
    chosen = preprocess or _own_size(pictures)
    return chosen.to_unit(torch.stack([chosen.store(picture) for picture in pictures]))


def _open(image_set: ImageSet) -> Iterator[Image.Image]:
    assert not isinstance(image_set.images, Tensor)
    for index in range(len(image_set)):
        yield image_set.images.open(index)


def _own_size(pictures: Sequence[Image.Image]) -> Preprocess:
    """Channels and side that suit the pictures themselves."""
    channels = 1 if all(picture.mode == "L" for picture in pictures) else 3
    side = min(_LARGEST_SIDE, *(min(picture.size) for picture in pictures))
    return Preprocess.plain(channels, side)


def _to_uint8(images: Tensor) -> Tensor:
    """Float N×C×H×W → uint8; values outside [0, 1], which a callable of the user's may give, are cut."""
    return images.nan_to_num(0.0).clamp(0, 1).mul(255).round().to(torch.uint8).cpu()


def _shares(target: Tensor, classes: Sequence[str]) -> list[str]:
    """The two largest classes of a target (float K), such as 62 % coat."""
    shares, labels = target.topk(min(2, len(classes)))
    pairs = zip(shares.tolist(), labels.tolist(), strict=True)
    return [f"{share:.0%} {classes[label]}" for share, label in pairs if share >= 0.005]


def _write(picture: Image.Image, path: Path) -> Path:
    content = io.BytesIO()
    picture.save(content, format="PNG")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content.getvalue())
    except OSError as error:
        raise UsageError(
            f"preview {str(path)!r} cannot be written ({error.strerror}); choose another path"
        ) from None
    return path

"""Tar shards as a data set: named by pattern, with the splits and classes that they say they have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import torch

from convnets.core.progress import Progress
from convnets.data.image_set import ImageSet, Splits
from convnets.data.images.layout import split_of_folder
from convnets.data.images.names import printable
from convnets.data.shards.images import ShardPictures
from convnets.data.shards.index import ShardIndex, index_shards
from convnets.data.shards.paths import expand_shards
from convnets.errors import DataError

__all__ = ["load_shards", "shards_in"]

_MAX_CLASSES = 1_000_000


def load_shards(
    pattern: str | Sequence[str],
    *,
    classes: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Splits:
    """The data set in WebDataset tar shards: samples `KEY.jpg` (or another picture) with `KEY.cls`, their label.

    `pattern` names local files or URLs that fsspec opens: `{000..146}` and `{train,val}` are counted and listed, `*`
    and `?` match local files, `::` joins patterns; or it is a list of paths and URLs. Shards called `val…` or
    `test…` are those parts, all others are to learn from. A label is a class index, or a class name; `classes` gives
    indices their names, by default the lines of a file `classes.txt` beside the first shard, or the numbers
    themselves. Pictures stay in their shards until they are needed. Raises DataError, UsageError.
    """
    shards = expand_shards(pattern) if isinstance(pattern, str) else list(pattern)
    source = printable(pattern if isinstance(pattern, str) else str(PurePosixPath(shards[0]).parent))
    parts: dict[str, list[str]] = {}
    for shard in shards:
        parts.setdefault(_part_of(shard), []).append(shard)
    if "train" not in parts:
        raise DataError(f"{source}: only {', '.join(parts)} shards; give those to learn from too")
    indices = {part: index_shards(members, progress=progress) for part, members in parts.items()}
    names = _class_names(list(indices.values()), classes or _listed_classes(shards[0]), source)
    sets = {part: _image_set(index, names, source) for part, index in indices.items()}
    others = sum(index.passed_over for index in indices.values())
    notes = (f"passed over in the shards: {others:,} files that belong to no picture",) if others else ()
    return Splits(sets["train"], sets.get("validation"), sets.get("test"), notes)


def shards_in(folder: Path) -> list[str]:
    """The tar files right in a folder, in sorted order."""
    return sorted(str(shard) for shard in folder.glob("*.tar"))


def _part_of(shard: str) -> str:
    """`val-000.tar` and `validation_1.tar` are of validation; a name without a split's is of train."""
    first = re.split(r"[-_.0-9]", PurePosixPath(shard).name, maxsplit=1)[0]
    return split_of_folder(first) or "train"


def _listed_classes(shard: str) -> list[str] | None:
    """The lines of `classes.txt` in the folder of a local shard, where there is one."""
    path = Path(shard).parent / "classes.txt"
    if "://" in shard or not path.is_file():
        return None
    try:
        lines = path.read_text("utf-8-sig").split("\n")  # with or without the mark that Windows puts first
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{printable(str(path))}: cannot be read ({str(error)[:80]})") from None
    names = [printable(line.strip()) for line in lines if line.strip()]
    if len(set(names)) < len(names):
        raise DataError(f"{printable(str(path))}: a class is named twice; one line for each class is allowed")
    return names


def _class_names(indices: Sequence[ShardIndex], given: Sequence[str] | None, source: str) -> tuple[str, ...]:
    labels = {label for index in indices for label in index.label_names}
    if not labels:
        raise DataError(f"{source}: no samples; allowed: tar files with KEY.jpg and KEY.cls")
    if given is not None:
        return tuple(given)
    if all(label.isascii() and label.isdecimal() for label in labels):
        highest = max(int(label) for label in labels)
        if highest >= _MAX_CLASSES:
            raise DataError(f"{source}: label {highest}; allowed: 0 to {_MAX_CLASSES - 1:,}")
        return tuple(map(str, range(highest + 1)))
    return tuple(sorted(labels))


def _image_set(index: ShardIndex, classes: tuple[str, ...], source: str) -> ImageSet:
    place = {name: label for label, name in enumerate(classes)}
    code = []
    for name in index.label_names:
        label = place.get(name, int(name) if name.isascii() and name.isdecimal() else -1)
        if not 0 <= label < len(classes):
            raise DataError(
                f"{source}: label {name!r} with {len(classes)} classes; allowed: their names or indices"
            )
        code.append(label)
    labels = torch.tensor(code)[torch.from_numpy(index.labels)]
    return ImageSet(ShardPictures(index), labels, classes, source)

"""The layouts of a folder or zip of pictures: root/{train,val,test}/CLASS/* or root/CLASS/*."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from convnets.data.images.names import printable, shortened
from convnets.errors import DataError

__all__ = ["Layout", "arrange_pictures", "likely_place", "split_of_folder"]

_SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
_EITHER = frozenset(
    ("eval", "evaluation", "holdout", "heldout")
)  # of validation for some people, of test for others
_LAYOUTS = "allowed: root/{train,val,test}/CLASS/* or root/CLASS/*"


@dataclass(frozen=True)
class Layout:
    """Which picture belongs to which split and class."""

    classes: tuple[str, ...]
    """Class names, sorted; shown with `printable`."""
    parts: dict[str, tuple[list[int], list[int]]]
    """For `train`, `validation`, `test` as far as they are there: indices of the pictures, and their labels."""


def arrange_pictures(
    paths: Sequence[tuple[str, ...]], empty_folders: Iterable[tuple[str, ...]], source: str
) -> Layout:
    """Sort pictures into splits and classes by their `paths` below the root, each split at its slashes.

    Folders deeper than CLASS belong to CLASS; one folder around everything is passed through. `empty_folders`
    hold no picture: a class among them is an error, as it would be learned from nothing. Raises DataError for
    every layout that would make wrong labels in silence.

    >>> layout = arrange_pictures([("train", "cat", "1.jpg"), ("train", "dog", "1.jpg")], [], "pets")
    >>> layout.classes, layout.parts
    (('cat', 'dog'), {'train': ([0, 1], [0, 1])})
    """
    if not paths:
        raise DataError(f"{source}: no pictures; {_LAYOUTS}, as JPEG, PNG, GIF, BMP, TIFF, WebP or PPM")
    folders = list(empty_folders)
    depth = _wrapping_folders(paths)
    wrapper = paths[0][:depth]
    paths = [path[depth:] for path in paths]
    folders = [folder[depth:] for folder in folders if folder[:depth] == wrapper and len(folder) > depth]
    if any(split_of_folder(path[0]) == "train" and len(path) >= 3 for path in paths):
        return _split_layout(paths, folders, source)
    _refuse_split_names_as_classes(paths, source)
    grouped = {"train": [(index, path) for index, path in enumerate(paths)]}
    return _labeled(grouped, folders, source)


def split_of_folder(name: str) -> str | None:
    """`train`, `validation` or `test`, where a folder or file of this name is one.

    >>> split_of_folder("Valid"), split_of_folder("cats")
    ('validation', None)
    """
    return _SPLIT_FOLDERS.get(name.lower())


def _is_split_name(name: str) -> bool:
    return name.lower() in _SPLIT_FOLDERS or name.lower() in _EITHER


def likely_place(path: tuple[str, ...]) -> tuple[str, str]:
    """Split and class of a picture by its folders alone, for reports on layouts that are refused.

    >>> likely_place(("pets", "val", "cat", "1.jpg")), likely_place(("cat", "1.jpg"))
    (('validation', 'cat'), ('all', 'cat'))
    """
    folders = path[:-1]
    for depth, folder in enumerate(folders[:2]):  # a split, or a split in one folder around everything
        if (part := split_of_folder(folder)) is not None:
            return part, printable("/".join(folders[depth + 1 : depth + 2]) or ".")
    return "all", printable("/".join(folders[:1]) or ".")


def _wrapping_folders(paths: Sequence[tuple[str, ...]]) -> int:
    """How many folders lie around everything, such as `cifar10/` around `cifar10/train` and `cifar10/test`."""
    depth = 0
    while True:
        first = paths[0][depth]
        if _is_split_name(first) or any(len(p) < depth + 3 or p[depth] != first for p in paths):
            return depth
        depth += 1


def _split_layout(paths: Sequence[tuple[str, ...]], folders: list[tuple[str, ...]], source: str) -> Layout:
    grouped: dict[str, list[tuple[int, tuple[str, ...]]]] = {}
    spelled: dict[str, str] = {}
    for index, path in enumerate(paths):
        part = split_of_folder(path[0])
        if path[0].lower() in _EITHER:
            raise DataError(
                f"{source}: {path[0]}/ beside train/ may mean validation or test; rename it to val or test"
            )
        if part is None:
            raise DataError(f"{source}: {_shown(path)} lies beside train/; {_LAYOUTS}; move it away")
        if spelled.setdefault(part, path[0]) != path[0]:
            raise DataError(
                f"{source}: {spelled[part]!r} and {path[0]!r} are both {part}; one is allowed; rename one"
            )
        grouped.setdefault(part, []).append((index, path[1:]))
    inner = [folder[1:] for folder in folders if len(folder) == 2 and folder[0] == spelled["train"]]
    return _labeled(grouped, inner, source)


def _refuse_split_names_as_classes(paths: Sequence[tuple[str, ...]], source: str) -> None:
    first = {path[0] for path in paths}
    if all(_is_split_name(name) for name in first) and len(next(iter(paths))) > 1:
        found = ", ".join(f"{name}/" for name in sorted(first))
        raise DataError(f"{source}: pictures lie in {found} without train/CLASS/ above them; {_LAYOUTS}")


def _labeled(
    grouped: dict[str, list[tuple[int, tuple[str, ...]]]], empty: Iterable[tuple[str, ...]], source: str
) -> Layout:
    names: dict[str, set[str]] = {}
    for part, members in grouped.items():
        outside = next((path for _, path in members if len(path) < 2), None)
        if outside is not None:
            raise DataError(
                f"{source}: {_shown(outside)} in {part} lies in no class folder; {_LAYOUTS}; move it"
            )
        names[part] = {path[0] for _, path in members}
    _check_classes(names, {folder[0] for folder in empty if len(folder) == 1}, source)
    ordered = sorted(names["train"])
    label = {name: index for index, name in enumerate(ordered)}
    parts = {
        part: ([index for index, _ in members], [label[path[0]] for _, path in members])
        for part, members in grouped.items()
    }
    return Layout(tuple(printable(name) for name in ordered), {p: parts[p] for p in _PARTS if p in parts})


_PARTS = ("train", "validation", "test")


def _check_classes(names: dict[str, set[str]], empty: set[str], source: str) -> None:
    train = names["train"]
    _refuse_lookalikes(set().union(empty, *names.values()), source)
    without = sorted(empty - train)
    if without:
        raise DataError(
            f"{source}: class folder {printable(without[0])!r} holds no pictures; fill it or remove it"
        )
    if len(train) < 2:
        raise DataError(
            f"{source}: one class, {printable(min(train))!r}; at least two are needed to tell apart; {_LAYOUTS}"
        )
    for part, found in names.items():
        for name in sorted(train - found):
            raise DataError(
                f"{source}: class {printable(name)!r} of train is missing from {part}; add pictures or move {part} away"
            )
        for name in sorted(found - train):
            raise DataError(
                f"{source}: class {printable(name)!r} of {part} is missing from train; rename it or move it away"
            )


def _refuse_lookalikes(names: set[str], source: str) -> None:
    """Names that some file systems cannot hold side by side: there they would melt into one class."""
    seen: dict[str, str] = {}
    for name in sorted(names):
        key = unicodedata.normalize("NFC", name).casefold()
        if key in seen:
            first, second = printable(seen[key]), printable(name)
            raise DataError(
                f"{source}: classes {first!r} and {second!r} differ in case or Unicode form only; rename one"
            )
        seen[key] = name


def _shown(path: tuple[str, ...]) -> str:
    return shortened("/".join(path))

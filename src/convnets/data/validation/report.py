"""What the check of a data set found, and which of it is a problem."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from convnets.core.html.kit import bullets, card, note, paragraph, table
from convnets.data.images.names import printable
from convnets.data.validation.image_facts import PictureFacts

__all__ = ["DataCheck", "Duplicate", "Places", "finalize"]

_UNBALANCED = 10  # times as many pictures in the largest class as in the smallest are worth a word
_CLASSES_SHOWN = 20


@dataclass(frozen=True)
class Duplicate:
    """Pictures that are the same."""

    names: tuple[str, ...]
    """Their files, or `train 17` where they are in memory."""
    parts: tuple[str, ...]
    """The splits that they lie in, each once."""
    classes: tuple[str, ...]
    """The classes that they lie in, each once."""
    same_file: bool
    """Whether the files are equal, byte by byte; otherwise only the decoded pixels are."""


@dataclass
class DataCheck:
    """What was found; `problems` is empty for data that can be trained on as they are."""

    source: str
    pictures: int = 0
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    """Pictures that can be read, by split and class."""
    unreadable: list[str] = field(default_factory=list)
    """One message for each picture that cannot be decoded: file and reason."""
    leaks: list[Duplicate] = field(default_factory=list)
    """Pictures that lie in more than one split."""
    contradictions: list[Duplicate] = field(default_factory=list)
    """Pictures that lie in more than one class."""
    repeats: list[Duplicate] = field(default_factory=list)
    """Pictures that lie in one class of one split more than once."""
    sizes: dict[str, Any] = field(default_factory=dict)
    """`width` and `height`: [least, median, most] in pixels; `different`: how many sizes there are."""
    colors: dict[str, int] = field(default_factory=dict)
    """Pictures stored as `gray`, as `color`, and as `colorless` (three channels that are equal)."""
    formats: dict[str, int] = field(default_factory=dict)
    animated: int = 0
    ignored: int = 0
    """Files that are not pictures by their name."""
    problems: list[str] = field(default_factory=list)
    """One line for each kind of fault that should be put right first."""
    notes: list[str] = field(default_factory=list)
    """What is allowed and worth knowing."""

    def __repr__(self) -> str:
        counts = f"{self.pictures:,} pictures, {len(self.problems)} problems, {len(self.notes)} notes"
        return f"DataCheck({printable(self.source)}: {counts})"

    def _repr_html_(self) -> str:
        classes = list(dict.fromkeys(name for counts in self.counts.values() for name in counts))
        rows = [
            [printable(name), *(f"{counts.get(name, 0):,}" for counts in self.counts.values())]
            for name in classes[:_CLASSES_SHOWN]
        ]
        left = len(classes) - len(rows)
        lines = [("problem", self.problems), ("note", self.notes)]
        found = bullets(f"{kind}: {line}" for kind, all_ in lines for line in all_)
        return card(
            f"{printable(self.source)}: {self.pictures:,} pictures",
            found or paragraph("nothing is wrong"),
            table(["class", *map(printable, self.counts)], rows) if rows else "",
            *([note(f"… and {left:,} classes more")] if left else []),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Places:
    """Where each picture belongs; all three have one entry for each picture."""

    names: Sequence[str]
    parts: Sequence[str]
    classes: Sequence[str]


def finalize(check: DataCheck, places: Places, facts: Sequence[PictureFacts]) -> DataCheck:
    """Count and compare what was read, and say what of it is a problem; fills and returns `check`."""
    check.pictures = len(facts)
    readable = [index for index, each in enumerate(facts) if each.error is None]
    check.unreadable = [each.error for each in facts if each.error is not None]
    part_names = [part for part in ("train", "validation", "test", "all") if part in set(places.parts)]
    class_names = sorted(set(places.classes))
    check.counts = {part: dict.fromkeys(class_names, 0) for part in part_names}
    for index in readable:
        check.counts[places.parts[index]][places.classes[index]] += 1
    _describe(check, [facts[index] for index in readable])
    for duplicate in _duplicates(places, facts, readable):
        if len(duplicate.parts) > 1:
            check.leaks.append(duplicate)
        if len(duplicate.classes) > 1:
            check.contradictions.append(duplicate)
        if len(duplicate.parts) == len(duplicate.classes) == 1:
            check.repeats.append(duplicate)
    _judge(check)
    return check


def _describe(check: DataCheck, facts: Sequence[PictureFacts]) -> None:
    if facts:
        widths, heights = sorted(f.width for f in facts), sorted(f.height for f in facts)
        check.sizes = {
            "width": [widths[0], round(median(widths)), widths[-1]],
            "height": [heights[0], round(median(heights)), heights[-1]],
            "different": len({(f.width, f.height) for f in facts}),
        }
    kinds = Counter("gray" if f.gray else "colorless" if f.colorless else "color" for f in facts)
    check.colors = {kind: kinds[kind] for kind in ("gray", "color", "colorless")}
    check.formats = dict(Counter(f.format for f in facts if f.format).most_common())
    check.animated = sum(f.frames > 1 for f in facts)


def _duplicates(
    places: Places, facts: Sequence[PictureFacts], readable: Sequence[int]
) -> Iterator[Duplicate]:
    groups: dict[bytes, list[int]] = defaultdict(list)
    for index in readable:
        groups[facts[index].pixels].append(index)
    for members in groups.values():
        if len(members) > 1:
            yield Duplicate(
                tuple(places.names[index] for index in members),
                tuple(dict.fromkeys(places.parts[index] for index in members)),
                tuple(dict.fromkeys(places.classes[index] for index in members)),
                len({facts[index].content for index in members}) == 1,
            )


def _judge(check: DataCheck) -> None:
    problems, notes = check.problems, check.notes
    if check.unreadable:
        problems.append(
            f"{_pictures(len(check.unreadable))} cannot be read; the first: {check.unreadable[0]}"
        )
    if check.leaks:
        problems.append(f"in more than one split: {_pictures(len(check.leaks))}; {_example(check.leaks)}")
    if check.contradictions:
        said = _example(check.contradictions)
        problems.append(f"in more than one class: {_pictures(len(check.contradictions))}; {said}")
    if check.unreadable:
        for part, counts in check.counts.items():
            without = [name for name, count in counts.items() if not count]
            if without:
                problems.append(f"no picture of {part} can be read in class {', '.join(without[:5])}")
    if check.repeats:
        more = sum(len(duplicate.names) - 1 for duplicate in check.repeats)
        notes.append(f"{_pictures(more)} again in the same class and split; {_example(check.repeats)}")
    if check.colors["gray"] and check.colors["color"]:
        notes.append("gray and color are mixed: training takes all as color, or as gray with --channels 1")
    if check.colors["colorless"]:
        notes.append(f"gray but stored in three channels: {_pictures(check.colors['colorless'])}")
    if check.animated:
        notes.append(f"animated: {_pictures(check.animated)}; the first frame is taken")
    train = [count for count in next(iter(check.counts.values())).values() if count]
    if train and max(train) > _UNBALANCED * min(train):
        notes.append(
            f"the largest class has {max(train) / min(train):.0f} times as many pictures as the smallest"
        )


def _pictures(count: int) -> str:
    return f"{count:,} picture{'s' * (count != 1)}"


def _example(duplicates: Sequence[Duplicate]) -> str:
    first = duplicates[0]
    kind = "the same file" if first.same_file else "the same pixels"
    return f"{kind}: {' = '.join(first.names[:3])}"

"""`convnets data check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from convnets.cli.numbers import whole_number
from convnets.cli.output import aligned, progress_bar, write_json

if TYPE_CHECKING:
    from convnets.data.validation.report import DataCheck

__all__ = ["check"]

_LISTED = 20


def check(
    data: Annotated[
        str, typer.Argument(help="Folder or zip of images, or a data set's name.", metavar="FOLDER")
    ],
    threads: Annotated[
        int,
        typer.Option(
            help="Pictures read at once; 0 for as many as there are cores.", metavar="N", parser=whole_number
        ),
    ] = 0,
    json: Annotated[bool, typer.Option("--json", help="Write JSON, with every finding.")] = False,
) -> None:
    """Read every picture and list what would spoil a result.

    Unreadable files, pictures in two splits or two classes, a layout that training would refuse; and classes,
    sizes, formats, gray and color are counted. Exits with 1 when something must be put right.

    Example: convnets data check photos
    """
    from convnets.data.validation.check import check_data

    with progress_bar(quiet=json) as progress:
        found = check_data(data, threads=threads, progress=progress)
    if json:
        write_json(found.to_dict())
    else:
        typer.echo(_table(found))
    if found.problems:
        raise typer.Exit(1)


def _table(found: DataCheck) -> str:
    lines = [f"{found.source}: {found.pictures:,} pictures", _counts(found), _figures(found)]
    lines += [f"unreadable: {line}" for line in found.unreadable[:_LISTED]]
    for title, duplicates in (("two splits", found.leaks), ("two classes", found.contradictions)):
        lines += [f"{title}: {' = '.join(each.names[:5])}" for each in duplicates[:_LISTED]]
    longest = max(len(found.unreadable), len(found.leaks), len(found.contradictions))
    if longest > _LISTED:
        lines.append(f"(the first {_LISTED} of each kind; --json lists all)")
    lines += [f"note: {note}" for note in found.notes]
    lines += [f"problem: {problem}" for problem in found.problems]
    return "\n".join(line for line in (*lines, "" if found.problems else "no problems") if line)


def _counts(found: DataCheck) -> str:
    parts = list(found.counts)
    classes = list(next(iter(found.counts.values())))
    rows = [(name, *(f"{found.counts[part][name]:,}" for part in parts)) for name in classes]
    rows.append(("all", *(f"{sum(found.counts[part].values()):,}" for part in parts)))
    return aligned(
        ("class", *("images" if part == "all" else part for part in parts)), rows, range(1, len(parts) + 1)
    )


def _figures(found: DataCheck) -> str:
    if not found.sizes:
        return ""
    (low_w, mid_w, high_w), (low_h, mid_h, high_h) = found.sizes["width"], found.sizes["height"]
    rows = [
        ("width", f"{low_w} to {high_w} pixels, median {mid_w}"),
        ("height", f"{low_h} to {high_h} pixels, median {mid_h}"),
        ("color", ", ".join(f"{count:,} {kind}" for kind, count in found.colors.items() if count)),
    ]
    if found.formats:
        rows.append(("format", ", ".join(f"{count:,} {name}" for name, count in found.formats.items())))
    return aligned(("what", _different(found.sizes["different"])), rows)


def _different(sizes: int) -> str:
    return "all of one size" if sizes == 1 else f"{sizes:,} different sizes"

"""How commands write to the terminal: JSON for scripts, aligned columns for people, progress while they wait."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from convnets.training.task import Progress as ProgressListener

__all__ = ["aligned", "progress_bar", "write_json"]


def write_json(content: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A text table: columns as wide as their widest cell, those in `right` aligned to the right."""
    table = [list(header), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = (
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    )
    return "\n".join(lines)


def _hear_nothing(_what: str, _done: int, _total: int | None) -> None:
    pass


@contextmanager
def progress_bar(*, quiet: bool = False) -> Iterator[ProgressListener]:
    """A listener for downloads and decoding: a transient bar on standard error, or nothing where nobody looks."""
    if quiet or not sys.stderr.isatty():
        yield _hear_nothing
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def update(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield update

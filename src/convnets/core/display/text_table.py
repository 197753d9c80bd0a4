"""Text tables: columns as wide as their widest cell."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence

__all__ = ["aligned"]

_NARROWEST_COLUMN = 20


def aligned(
    header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = (), width: int | None = None
) -> str:
    """A text table: columns as wide as their widest cell, those in `right` aligned to the right.

    A last column of text is broken into lines where the table is wider than `width`, by default the terminal;
    a file or pipe gets each row on one line.

    >>> print(aligned(("network", "year"), [("lenet", "1998")]))
    network  year
    lenet    1998
    """
    table = [list(header), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    if width is None:
        looked_at = sys.stdout is not None and sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if looked_at else sys.maxsize
    indent = sum(widths[:-1]) + 2 * len(widths[:-1])
    last = len(widths) - 1
    if last not in right:
        widths[last] = min(widths[last], max(width - indent, _NARROWEST_COLUMN))
    lines = []
    for row in table:
        first, *rest = textwrap.wrap(row[last], widths[last]) or [""]
        cells = [
            cell.rjust(wide) if column in right else cell.ljust(wide)
            for column, (cell, wide) in enumerate(zip([*row[:-1], first], widths, strict=True))
        ]
        lines += ["  ".join(cells).rstrip(), *(" " * indent + more for more in rest)]
    return "\n".join(lines)

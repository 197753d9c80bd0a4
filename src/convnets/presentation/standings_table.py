"""Standings as text, Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from convnets.core.display.text_table import aligned
from convnets.errors import UnknownNameError
from convnets.evaluation.numbers import SCORE_NAMES
from convnets.selection.comparing.standings import Standings

__all__ = ["FORMATS", "format_standings", "standings_text"]

FORMATS = ("text", "markdown", "latex", "csv")
_METHODS = ("method", "n", "mean", "std", "95 % interval", "bootstrap")
_PAIRS = ("pair", "n", "difference", "95 % interval", "p", "Holm", "P(better)", "verdict")


def format_standings(standings: Standings, form: str) -> str:
    """One of text, markdown, latex, csv; raises UnknownNameError for another."""
    if form not in FORMATS:
        raise UnknownNameError("format", form, FORMATS)
    if form == "text":
        return standings_text(standings)
    tables = [(_METHODS, _method_rows(standings)), (_PAIRS, _pair_rows(standings))]
    write = {"markdown": _markdown, "latex": _latex, "csv": _csv}[form]
    return "\n\n".join(write(head, rows) for head, rows in tables if rows)


def standings_text(standings: Standings) -> str:
    """Aligned columns, and what may be said in words."""
    lines = [
        f"{SCORE_NAMES[standings.score]} ({standings.metric})",
        "",
        aligned(_METHODS, _method_rows(standings), right=(1, 2, 3)),
    ]
    if standings.pairs:
        lines += ["", aligned(_PAIRS, _pair_rows(standings), right=(1, 2, 4, 5, 6))]
        best = standings.best
        lines += ["", "no ranking: not every difference is decided" if best is None else f"best: {best}"]
    return "\n".join(lines)


def _method_rows(standings: Standings) -> list[list[str]]:
    return [
        [
            each.name,
            str(each.count),
            f"{each.mean:.4f}",
            f"{each.std:.4f}",
            f"{each.interval.low:.4f} to {each.interval.high:.4f}",
            "–" if each.bootstrap is None else f"{each.bootstrap.low:.4f} to {each.bootstrap.high:.4f}",
        ]
        for each in standings.methods
    ]


def _pair_rows(standings: Standings) -> list[list[str]]:
    return [
        [
            f"{each.first} − {each.second}",
            str(each.pairs),
            f"{each.difference.estimate:+.4f}",
            f"{each.difference.low:+.4f} to {each.difference.high:+.4f}",
            f"{each.p_value:.3g}",
            f"{each.holm:.3g}",
            f"{each.better.estimate:.2f}",
            each.verdict(),
        ]
        for each in standings.pairs
    ]


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    safe = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *safe]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_LATEX = {"\\": r"\textbackslash{}", "−": "$-$", **{sign: f"\\{sign}" for sign in "&%$#_{}"}}


def _latex(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [" & ".join(map(_escaped, row)) + r" \\" for row in rows]
    columns = "l" + "r" * (len(head) - 1)
    top = " & ".join(map(_escaped, head)) + r" \\"
    inside = "\n".join([r"\hline", top, r"\hline", *lines, r"\hline"])
    return f"\\begin{{tabular}}{{{columns}}}\n{inside}\n\\end{{tabular}}"


def _escaped(cell: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in cell)


def _csv(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([head, *rows])
    return buffer.getvalue().rstrip("\n")

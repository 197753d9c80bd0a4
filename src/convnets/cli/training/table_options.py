"""How a table is read, as options of a command: the fields of `TableOptions`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convnets.cli.numbers import whole_number
from convnets.errors import UsageError

if TYPE_CHECKING:
    from convnets.series.examples import ExampleSet
    from convnets.series.series_set import SeriesSet

__all__ = ["TABLE_OPTIONS", "network_arguments", "opened_examples", "takes_table_options"]

TABLE_OPTIONS: dict[str, tuple[str, str]] = {
    "target": ("Column to predict, or several with commas: --data is then a CSV or Parquet file.", "COLUMN"),
    "numeric": ("Columns that hold numbers; another cell is an error.", "A,B,…"),
    "categorical": ("Columns whose cells are names, numbers too.", "A,B,…"),
    "dates": ("Columns that hold dates.", "A,B,…"),
    "drop": ("Columns to leave out.", "A,B,…"),
    "encoding": ("Of a CSV file, such as cp1252. [default: found out]", "NAME"),
    "delimiter": ("Between cells. [default: found out]", "C"),
    "decimal": ("Decimal point of numbers: . or , [default: found out]", "C"),
    "thousands": ("Between thousands. [default: nothing]", "C"),
    "date_format": ("Such as %d.%m.%Y. [default: ISO 8601]", "FORMAT"),
    "series": ("rows: each row of the file is a series; steps: each is a step of a long one.", "rows|steps"),
    "window": ("Of a long series: steps that the network sees at once.", "L"),
    "horizon": ("Steps after the window that are forecast. [default: 1]", "H"),
    "stride": ("Steps from one window to the next. [default: 1]", "STEPS"),
    "gap": ("Steps left out between training and validation. [default: 0]", "STEPS"),
    "period": ("Steps after which the series repeats, for the naive forecast beside.", "STEPS"),
    "by": ("Column that tells several long series apart.", "COLUMN"),
    "rate": ("Of .wav files: samples a second. [default: 8000]", "HZ"),
    "length": ("Of .wav files: samples of each. [default: the longest]", "N"),
}
"""Name of each option, its help, and what stands for its value."""
_OF_SERIES = ("series", "window", "horizon", "stride", "gap", "period", "by", "rate", "length")
_SEVERAL = ("target", "numeric", "categorical", "dates", "drop")
_FILES = (".csv", ".tsv", ".parquet", ".pq")


def takes_table_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` an option for each; its parameter `table` gets those that were given."""
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "table"]

    @functools.wraps(command)
    def wrapper(**given: Any) -> None:
        table = {name: value for name in TABLE_OPTIONS if (value := given.pop(name)) is not None}
        command(**given, table=table)

    parameters = [*own, *(_parameter(name, *about) for name, about in TABLE_OPTIONS.items())]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
    return wrapper


def _parameter(name: str, text: str, metavar: str) -> inspect.Parameter:
    option = typer.Option("--" + name.replace("_", "-"), help=text, metavar=metavar, show_default=False)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, option]
    )


def opened_examples(
    data: str | None, table: dict[str, str], group_by: str | None = None
) -> ExampleSet | None:
    """The table or the series that the options ask for; None where they speak of none.

    group_by: a column that tells groups apart; in the rows of a file it is no step of the series.

    Raises UsageError for options without a target or a file, and for a table without a target.
    """
    of_series = any(name in _OF_SERIES for name in table)
    if data is not None and not of_series and Path(data).exists():
        of_series = _can_only_be_series(Path(data))
    if of_series:
        if group_by is not None and table.get("series") == "rows":
            table = table | {"drop": ",".join(filter(None, (table.get("drop"), group_by)))}
        return _opened_series(data, table)
    if "target" not in table:
        if table:
            name = next(iter(table)).replace("_", "-")
            raise UsageError(f"--{name} is given without --target; say which column of the table to predict")
        if data is not None and data.lower().endswith(_FILES) and Path(data).is_file():
            raise UsageError(f"{data} is a table; say which column to predict: --target COLUMN")
        return None
    if data is None:
        raise UsageError("--target is given without --data; give a CSV or Parquet file")
    from convnets.tables.load_table import open_table
    from convnets.tables.table_options import TableOptions

    return open_table(data, TableOptions(**_given(table)))


def _given(table: dict[str, str]) -> dict[str, Any]:
    """The options' values: lists of columns, and \\t as it is written in a shell."""
    given: dict[str, Any] = {
        name: tuple(part.strip() for part in value.split(",") if part.strip()) if name in _SEVERAL else value
        for name, value in table.items()
    }
    if given.get("delimiter") == "\\t":
        given["delimiter"] = "\t"
    return given


def _can_only_be_series(path: Path) -> bool:
    if not path.is_dir() and path.suffix.lower() not in (".npy", ".npz"):
        return False
    from convnets.series.load_series import is_of_series

    return is_of_series(path)


def _opened_series(data: str | None, table: dict[str, str]) -> SeriesSet:
    if data is None:
        raise UsageError("options of series are given without --data; give a file, or a folder of .wav files")
    of_tables = [name for name in ("numeric", "categorical", "dates") if name in table]
    if of_tables:
        raise UsageError(f"--{of_tables[0]} is for tables; of series leave columns out with --drop")
    layout = table.get("series", "steps" if "window" in table else None)
    if layout not in (None, "rows", "steps"):
        raise UsageError(f"--series is {layout!r}; allowed: rows or steps")
    if layout == "steps" and "window" not in table:
        raise UsageError(
            "--series steps is given without --window; say how many steps the network sees at once"
        )
    if layout == "rows" and "window" in table:
        raise UsageError("--window is for a long series, and --series says rows; leave one of them out")
    if layout is None and data.lower().endswith(_FILES):
        raise UsageError(f"{data}: give --window L for a long series, or --series rows for one in each row")
    if "target" not in table and not Path(data).is_dir():
        raise UsageError(f"{data}: say what to predict with --target")
    from convnets.series.load_series import open_series
    from convnets.series.series_options import SeriesOptions

    given: dict[str, Any] = {}
    for name, value in _given(table).items():
        if name in _OF_SERIES and name not in ("series", "by"):
            value = whole_number(value)
        if name != "series":
            given[name] = value
    return open_series(data, SeriesOptions(**given))


def network_arguments(given: list[str] | None) -> dict[str, Any]:
    """Arguments of a network from `NAME=VALUE`: numbers, true and false, text, and lists of these with commas.

    >>> network_arguments(["widths=64,32", "dropout=0.1", "batch_norm=true", "activation=tanh"])
    {'widths': [64, 32], 'dropout': 0.1, 'batch_norm': True, 'activation': 'tanh'}
    """
    found: dict[str, Any] = {}
    for each in given or ():
        name, mark, value = each.partition("=")
        if not mark or not name:
            raise UsageError(f"--set is {each!r}; allowed: NAME=VALUE, such as widths=64,32")
        parts = [_value(part.strip()) for part in value.split(",") if part.strip()]
        several = "," in value or name.strip() == "widths"
        found[name.strip()] = parts if several else parts[0] if parts else ""
    return found


def _value(text: str) -> int | float | bool | str:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text

"""How a table is read, as options of a command: the fields of `TableOptions`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convnets.errors import UsageError

if TYPE_CHECKING:
    from convnets.tables.table_set import TableSet

__all__ = ["TABLE_OPTIONS", "network_arguments", "opened_table", "takes_table_options"]

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
}
"""Name of each option, its help, and what stands for its value."""
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


def opened_table(data: str | None, table: dict[str, str]) -> TableSet | None:
    """The table that the options ask for; None where they speak of none.

    Raises UsageError for options without a target or a file, and for a table without a target.
    """
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

    given: dict[str, Any] = {
        name: tuple(part.strip() for part in value.split(",") if part.strip()) if name in _SEVERAL else value
        for name, value in table.items()
    }
    if given.get("delimiter") == "\\t":  # as it is written in a shell
        given["delimiter"] = "\t"
    return open_table(data, TableOptions(**given))


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

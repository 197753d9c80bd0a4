"""Every field of TrainConfig as a command-line option, so that both can never differ."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Annotated, Any

import typer

from convnets.cli.numbers import real_number, whole_number
from convnets.errors import ConfigError
from convnets.training.config import TrainConfig

__all__ = ["takes_train_options"]

_TYPES: dict[str, Any] = {"int": int, "float": float, "str": str, "bool": bool}
_PARSERS: dict[str, Callable[[str], Any]] = {"int": whole_number, "float": real_number}


def takes_train_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` an option for each field; its parameter `options` gets those that were given, converted."""
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "options"]
    annotations = {field.name: str(field.type).removesuffix(" | None") for field in fields(TrainConfig)}

    @functools.wraps(command)
    def wrapper(**given: Any) -> None:
        options = {
            name: _converted(name, value, annotations[name])
            for name in annotations
            if (value := given.pop(name)) is not None
        }
        command(**given, options=options)

    parameters = [*own, *(_parameter(name, annotation) for name, annotation in annotations.items())]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
    return wrapper


def _parameter(name: str, annotation: str) -> inspect.Parameter:
    default = next(field.default for field in fields(TrainConfig) if field.name == name)
    assert default is not MISSING
    shown = (
        None if default in (None, ()) else str(default).lower() if isinstance(default, bool) else str(default)
    )
    flag = "--" + name.replace("_", "-")
    declaration = f"{flag}/--no-{flag[2:]}" if annotation == "bool" else flag
    option = typer.Option(
        declaration,
        help=TrainConfig.descriptions()[name] + (f" [default: {shown}]" if shown else ""),
        show_default=False,
        rich_help_panel="Training options",
        metavar=None if annotation == "bool" else _metavar(annotation),
        parser=_PARSERS.get(annotation),
    )
    kind = _TYPES.get(annotation, str) | None
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option]
    )


def _metavar(annotation: str) -> str:
    return {"int": "N", "float": "X", "str": "NAME"}.get(annotation, "A,B,…")


def _converted(name: str, value: Any, annotation: str) -> Any:
    if not annotation.startswith("tuple"):
        return value
    parts = [part.strip() for part in str(value).split(",") if part.strip()]
    if "int" not in annotation:
        return tuple(parts)
    try:
        return tuple(int(part) for part in parts)
    except ValueError:
        raise ConfigError(f"{name} is {value!r}; allowed: whole numbers with commas, such as 5,8") from None

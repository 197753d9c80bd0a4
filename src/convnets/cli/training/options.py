"""Every field of TrainConfig as a command-line option, so that both can never differ."""

from __future__ import annotations

import functools
import inspect
import shlex
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Annotated, Any

import typer

from convnets.cli.numbers import real_number, whole_number
from convnets.errors import ConfigError
from convnets.training.config import TrainConfig

__all__ = ["SPELLINGS", "as_given", "takes_train_options"]

SPELLINGS: dict[str, tuple[str, ...]] = {
    "start": ("--from", "--pretrained"),
    "learning_rate": ("--learning-rate", "--lr"),
    "optimizer": ("--optimizer", "--opt", "--optimiser"),
    "batch_size": ("--batch-size", "--batch"),
    "weight_decay": ("--weight-decay", "--wd"),
    "initializer": ("--initializer", "--initialiser"),
    "normalize": ("--normalize/--no-normalize", "--normalise/--no-normalise"),
}
"""Names of options, ours first, where they have others too: those that timm's and torchvision's scripts use."""
_METAVARS = {"start": "RUN|FILE", "freeze": "A,B,…"}
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


def as_given(options: dict[str, Any]) -> list[str]:
    """Options as they are written on a command line.

    >>> as_given({"epochs": 4, "fast": False, "augment": ("flip", "crop:4")})
    ['--epochs 4', '--no-fast', '--augment flip,crop:4']
    """
    written = []
    for name, value in options.items():
        flag = SPELLINGS.get(name, ("--" + name.replace("_", "-"),))[0].partition("/")[0]
        if isinstance(value, bool):
            written.append(flag if value else f"--no-{flag[2:]}")
        else:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            written.append(f"{flag} {shlex.quote(text)}")
    return written


def _parameter(name: str, annotation: str) -> inspect.Parameter:
    default = next(field.default for field in fields(TrainConfig) if field.name == name)
    assert default is not MISSING
    shown = (
        None if default in (None, ()) else str(default).lower() if isinstance(default, bool) else str(default)
    )
    option = typer.Option(
        *_declarations(name, annotation),
        help=TrainConfig.descriptions()[name] + (f" [default: {shown}]" if shown else ""),
        show_default=False,
        metavar=None if annotation == "bool" else _METAVARS.get(name, _metavar(annotation)),
        parser=_PARSERS.get(annotation),
    )
    kind = _TYPES.get(annotation, str) | None
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option]
    )


def _declarations(name: str, annotation: str) -> tuple[str, ...]:
    flag = "--" + name.replace("_", "-")
    return SPELLINGS.get(name) or ((f"{flag}/--no-{flag[2:]}",) if annotation == "bool" else (flag,))


def _metavar(annotation: str) -> str:
    return {"int": "N", "float": "X", "str": "NAME"}.get(annotation, "A,B,…")


def _converted(name: str, value: Any, annotation: str) -> Any:
    if not annotation.startswith("tuple"):
        return value
    parts = [part.strip() for part in str(value).split(",") if part.strip()]
    if "str" in annotation:
        return tuple(parts)
    whole = "int" in annotation
    allowed = "whole numbers with commas, such as 5,8" if whole else "numbers with commas, such as 0.1,0.9"
    try:
        return tuple(int(part) if whole else float(part) for part in parts)
    except ValueError:
        raise ConfigError(f"{name} is {value!r}; allowed: {allowed}") from None

"""TOML files of options, read without PyTorch."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from convnets.errors import ConfigError

__all__ = ["ARGUMENTS", "options_and_arguments", "read_toml"]

ARGUMENTS = "arguments"
"""The table of a network's own arguments, such as dropout or width."""


def read_toml(path: Path) -> dict[str, Any]:
    """The table of a TOML file; ConfigError when it cannot be read."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; give a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}; write lines such as epochs = 20") from None


def options_and_arguments(path: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of a run in a TOML file, and the network's arguments in its table [arguments]; none without a file.

    Raises ConfigError where it cannot be read, or [arguments] is no table.
    """
    options = {} if path is None else read_toml(path)
    arguments = options.pop(ARGUMENTS, {})
    if not isinstance(arguments, dict):
        raise ConfigError(
            f"{path}: arguments is {str(arguments)[:60]}; allowed: a table, [arguments], with lines such as width = 2.0"
        )
    return options, arguments

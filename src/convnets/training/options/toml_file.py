"""TOML files of options, read without PyTorch."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from convnets.errors import ConfigError

__all__ = ["read_toml"]


def read_toml(path: Path) -> dict[str, Any]:
    """The table of a TOML file; ConfigError when it cannot be read."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; give a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}; write lines such as epochs = 20") from None

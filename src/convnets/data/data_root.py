"""Where named data sets lie: found without PyTorch, so that listing them is quick."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["data_root"]


def data_root() -> Path:
    """The folder that named data sets are read from and downloaded to.

    `$CONVNETS_DATA` where it is set, otherwise `convnets` in the platform's cache folder.
    """
    chosen = os.environ.get("CONVNETS_DATA")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "convnets" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "convnets"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "convnets"

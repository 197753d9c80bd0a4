"""Where convnets keeps what it can make again: downloads, measured choices, compiled kernels."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """`$CONVNETS_CACHE` where it is set, otherwise `convnets` in the platform's cache folder."""
    chosen = os.environ.get("CONVNETS_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "convnets" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "convnets"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "convnets"

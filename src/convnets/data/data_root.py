"""Where named data sets lie: found without PyTorch, so that listing them is quick."""

from __future__ import annotations

import os
from pathlib import Path

from convnets.core.storage.cache import cache_folder

__all__ = ["data_root"]


def data_root() -> Path:
    """The folder that named data sets are read from and downloaded to.

    `$CONVNETS_DATA` where it is set, otherwise `convnets` in the platform's cache folder.
    """
    chosen = os.environ.get("CONVNETS_DATA")
    if chosen:
        return Path(chosen).expanduser()
    return cache_folder()

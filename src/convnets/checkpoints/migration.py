"""Older formats of a model folder's configuration, brought up to the one that is written today."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["FORMAT_VERSION", "MIGRATIONS", "migrate"]

FORMAT_VERSION = 2
"""Format of the configurations that are written. 1: no checksum of the configuration itself. 2: with `sha256`."""


def _from_1(config: dict[str, Any]) -> dict[str, Any]:
    return config  # only the checksum is new, and what has been read has no need of it any more


MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1}
"""For each older format, how its configuration becomes one of the next. A format that was released stays here."""


def migrate(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration in today's format, step by step; the one given is left as it is.

    >>> migrate({"format_version": 1, "classes": ["cat", "dog"]})
    {'format_version': 2, 'classes': ['cat', 'dog']}
    """
    migrated = dict(config)
    while migrated["format_version"] < FORMAT_VERSION:
        version = migrated["format_version"]
        migrated = {**MIGRATIONS[version](migrated), "format_version": version + 1}
    return migrated

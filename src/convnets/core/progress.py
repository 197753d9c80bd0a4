"""Progress: what long work calls while it goes on."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Progress"]

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done (a name, such as a file's), how much of it is done, and how much there is.

Counts are of bytes, images or rounds, as the work says; the last one is None where nobody knows.
"""

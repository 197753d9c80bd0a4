"""Widths: the same network with more, or fewer, channels in every layer."""

from __future__ import annotations

from convnets.errors import ConfigError

__all__ = ["widened"]


def widened(width: float, *channels: int) -> tuple[int, ...]:
    """Channels (or units) times `width`, at least one each. Raises ConfigError for a width that is not allowed.

    >>> widened(0.5, 6, 16, 120)
    (3, 8, 60)
    """
    if isinstance(width, bool) or not isinstance(width, int | float) or not 0 < width <= 1000:
        raise ConfigError(f"width is {width!r}; allowed: a factor above 0 and at most 1000, such as 0.5 or 2")
    return tuple(max(1, round(width * count)) for count in channels)

"""Numbers on the command line: the text that was given, checked by one rule and refused in one manner of speaking."""

from __future__ import annotations

import typer

__all__ = ["real_number", "whole_number"]


def whole_number(text: str) -> int:
    """The text as an int; anything else is refused by name.

    >>> whole_number("12")
    12
    """
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r}; allowed: a whole number") from None


def real_number(text: str) -> float:
    """The text as a float, nan and inf too: whether those are allowed is for the option's range to say.

    >>> real_number("1e-3")
    0.001
    """
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r}; allowed: a number") from None

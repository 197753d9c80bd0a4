"""Text that users give, made safe to show: what XML and UTF-8 can carry, and how wide it is."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["columns", "plain_text"]

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def plain_text(value: object) -> str:
    """`str(value)` without what XML and UTF-8 cannot carry: control characters and lone surrogates become �.

    >>> plain_text("dog\\x00\\udc80")
    'dog��'
    """
    return _NOT_XML.sub("\ufffd", str(value))


def columns(text: str) -> int:
    """Columns of a text in a fixed-width font: wide East Asian characters take two.

    >>> columns("a dog"), columns("狗")
    (5, 2)
    """
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)

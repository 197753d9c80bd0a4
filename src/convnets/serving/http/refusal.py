"""Refusal: a request that is not answered, with its status and one line that says why."""

from __future__ import annotations

from collections.abc import Mapping

from convnets.errors import ConvnetsError, ImageDecodeError, UsageError

__all__ = ["Refusal", "refusal_of", "too_late"]


class Refusal(Exception):  # noqa: N818  a refused request is an answer, not a fault of the server
    """Status, one line, and headers such as Retry-After.

    >>> Refusal(413, "too large").body()
    {'error': 'too large'}
    """

    def __init__(self, status: int, line: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(line)
        self.status, self.line, self.headers = status, line, dict(headers or {})

    def body(self) -> dict[str, str]:
        """What the client reads; the Open Inference Protocol has the same form."""
        return {"error": self.line}


def refusal_of(error: ConvnetsError) -> Refusal:
    """422 for what the client sent, 500 for what the server has.

    >>> refusal_of(ImageDecodeError("picture 0 is cut off")).status
    422
    """
    return Refusal(422 if isinstance(error, ImageDecodeError | UsageError) else 500, str(error))


def too_late() -> Refusal:
    """504, for what waited beyond its deadline."""
    return Refusal(504, "the deadline passed before the request was begun; it was not computed")

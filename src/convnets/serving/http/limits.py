"""Limits: how much a server takes, from one client and from all."""

from __future__ import annotations

from dataclasses import dataclass, fields

from convnets.errors import ConfigError

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Every bound of the server; what is beyond one is refused with the status given.

    >>> Limits(queue_pictures=64).queue_pictures
    64
    """

    body_bytes: int = 32_000_000
    """Of one request: 413."""
    pictures: int = 256
    """Of one request: 413."""
    pixels: int = 25_000_000
    """Of one picture, known from its header before it is decoded: 422."""
    queue_pictures: int = 1024
    """Of all requests that are not answered yet: 503."""
    queue_bytes: int = 256_000_000
    """Of the bodies of all requests that are not answered yet: 503."""
    client_pictures: int = 512
    """Of one client's requests that are not answered yet: 429."""
    batch: int = 64
    """Pictures that go through the network at once."""
    deadline: float = 10.0
    """Seconds after which a request that was not begun is not computed any more: 504."""
    body_seconds: float = 20.0
    """Within which a request has to arrive whole: 408."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise ConfigError(f"{field.name} is {value}; allowed: above 0")

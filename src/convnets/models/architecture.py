"""Architecture: the name and arguments that a network was made from; it travels inside the model folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Architecture"]


@dataclass(frozen=True)
class Architecture:
    """What `create_model(name, **arguments)` needs to build the same network again; plain values for JSON."""

    name: str
    """The catalogue's name, such as `resnet18`."""
    arguments: dict[str, Any] = field(default_factory=dict)
    """Channels, classes, the size where the network is built for one, options as they were given; never the seed."""

"""Listening: whether a port is free, before anything is loaded."""

from __future__ import annotations

import socket

from convnets.errors import ConfigError

__all__ = ["check_port"]


def check_port(host: str, port: int) -> None:
    """Raise ConfigError where nothing can listen there."""
    if not 0 <= port <= 65535:
        raise ConfigError(f"port is {port}; allowed: 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            line = f"{host}:{port} cannot be listened on ({error.strerror}); choose another --port"
            raise ConfigError(line) from None

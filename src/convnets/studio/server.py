"""Server: the studio listens until Ctrl-C, or beside a notebook until the notebook ends."""

from __future__ import annotations

import secrets
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from convnets.core.hardware import choose_hardware
from convnets.errors import UsageError
from convnets.serving.http.guard import Access
from convnets.serving.http.listening import check_port
from convnets.studio.app import create_studio
from convnets.studio.library import Library

__all__ = ["StudioSettings", "open_studio", "serve_beside"]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NOTEBOOKS = ("http://localhost:*", "http://127.0.0.1:*", "https://localhost:*")


@dataclass(frozen=True)
class StudioSettings:
    """What a studio is started with."""

    folder: Path
    """Runs lie in it; or one run."""
    data: str | None = None
    """A data set's name, or a folder or zip, to look at in place of the runs' own."""
    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = None
    """Made anew where it is None."""
    hosts: tuple[str, ...] = ()
    """Names that it answers to beside localhost."""
    read_only: bool = False
    device: str = "auto"
    threads: int | None = None


def open_studio(
    settings: StudioSettings, told: Callable[[str], None] = lambda _: None, *, browser: bool = False
) -> None:
    """Show the page until Ctrl-C or SIGTERM; `told` gets its address. Raises UsageError and ConfigError.

    Runs that were begun in it save themselves before it ends.
    """
    check_folder(settings.folder)
    check_port(settings.host, settings.port)
    token, config = _configured(settings, frames=())
    address = _address(settings, settings.port, token)
    told(address)
    if browser:
        threading.Timer(0.5, webbrowser.open, (address,)).start()
    uvicorn.Server(config).run()


def serve_beside(settings: StudioSettings) -> str:
    """Show the page from a thread of this process, on a free port; returns its address."""
    check_folder(settings.folder)
    token, config = _configured(settings, frames=_NOTEBOOKS)
    config.port = 0
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        if not thread.is_alive():
            raise UsageError("the studio could not be started; see the error above")
    port = server.servers[0].sockets[0].getsockname()[1]
    return _address(settings, port, token)


def check_folder(folder: Path) -> None:
    """Raise UsageError where there is no such folder."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; give the one that runs lie in, or a run")


def _configured(settings: StudioSettings, frames: tuple[str, ...]) -> tuple[str, uvicorn.Config]:
    token = settings.token or secrets.token_urlsafe(24)
    own = () if settings.host in ("0.0.0.0", "::") else (settings.host.lower(),)
    names = tuple(dict.fromkeys((*Access().hosts, *own, *(name.lower() for name in settings.hosts))))
    access = Access(names, token, open_paths=(), frames=frames)
    hardware = choose_hardware(settings.device, "fp32", settings.threads)
    library = Library(settings.folder, settings.data, hardware)
    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": 3,
    }
    alone = settings.host in _LOOPBACK
    app = create_studio(library, access, read_only=settings.read_only, any_data=alone)
    return token, uvicorn.Config(app, **options)


def _address(settings: StudioSettings, port: int, token: str) -> str:
    host = "localhost" if settings.host in ("127.0.0.1", "0.0.0.0", "::") else settings.host
    return f"http://{host}:{port}/?token={token}"

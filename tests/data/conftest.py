"""A web server on this machine that misbehaves as told, and pictures and folders made up for the tests."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image


@dataclass
class Site:
    """What the server sends, and what it was asked."""

    content: bytes
    url: str = ""
    ignores_ranges: bool = False
    etag: str | None = '"v1"'
    faults: list[tuple[str, Any]] = field(default_factory=list)
    """Used up one for each request: ("status", 503), ("cut", bytes), ("truncate", bytes), ("html", None),
    ("redirect", url), ("range", start)."""
    requests: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    """(path, Range, If-Range) of each request."""
    chunk_seconds: float = 0.0
    """Pause after each 64 kB."""


@contextmanager
def _serve(content: bytes, **settings: Any) -> Iterator[Site]:
    """Serve `content` under every path on 127.0.0.1 until the end of the block."""
    site = Site(content, **settings)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            site.requests.append((self.path, self.headers.get("Range"), self.headers.get("If-Range")))
            fault, value = site.faults.pop(0) if site.faults else ("", None)
            with suppress(BrokenPipeError, ConnectionResetError):
                _answer(self, site, fault, value)

    return Handler


def _answer(handler: BaseHTTPRequestHandler, site: Site, fault: str, value: Any) -> None:
    content, start, status = site.content, 0, 200
    if fault == "html":
        content = b"<!DOCTYPE html><html>Please log in</html>"
    elif fault == "truncate":
        content = content[:value]
    if fault in ("status", "redirect"):
        handler.send_response(value if fault == "status" else 302)
        handler.send_header("Content-Length", "0")
        if fault == "redirect":
            handler.send_header("Location", value)
        handler.end_headers()
        return
    asked, condition = handler.headers.get("Range"), handler.headers.get("If-Range")
    if asked and not site.ignores_ranges and condition in (None, site.etag):
        start, status = int(asked.removeprefix("bytes=").rstrip("-")), 206
        if start >= len(content):
            handler.send_response(416)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(content) - start))
    if site.etag:
        handler.send_header("ETag", site.etag)
    if status == 206:
        said = value if fault == "range" else start
        handler.send_header("Content-Range", f"bytes {said}-{len(content) - 1}/{len(content)}")
    handler.end_headers()
    end = value if fault == "cut" else len(content)
    for position in range(start, end, 1 << 16):
        handler.wfile.write(content[position : min(position + (1 << 16), end)])
        handler.wfile.flush()
        if site.chunk_seconds:
            threading.Event().wait(site.chunk_seconds)
    handler.close_connection = True


@pytest.fixture
def serve() -> Callable[..., Any]:
    """`with serve(content, faults=[...]) as site:` a web server that misbehaves as told."""
    return _serve


def _jpeg(color: Any = (200, 30, 40), size: tuple[int, int] = (12, 8), **options: Any) -> bytes:
    mode = options.pop("mode", "RGB")
    file = io.BytesIO()
    Image.new(mode, size, color).save(file, options.pop("format", "JPEG"), **options)
    return file.getvalue()


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """`picture(color, size, mode=…, format=…, **save options)`: the bytes of a picture file of one color."""
    return _jpeg


@pytest.fixture
def make_tree(tmp_path: Path) -> Callable[..., Path]:
    """`make_tree({"train/cat/1.jpg": bytes | None}, kind)`: a folder or zip; None stands for a small JPEG."""

    def make(files: dict[str, bytes | None], kind: str = "folder", name: str = "set") -> Path:
        content = {path: _jpeg() if data is None else data for path, data in files.items()}
        if kind == "zip":
            with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
                for path, data in content.items():
                    archive.writestr(path, data)
            return tmp_path / f"{name}.zip"
        (tmp_path / name).mkdir(exist_ok=True)
        for path, data in content.items():
            if path.endswith("/"):
                (tmp_path / name / path).mkdir(parents=True)
                continue
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_bytes(data)
        return tmp_path / name

    return make

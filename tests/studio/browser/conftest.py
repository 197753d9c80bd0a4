"""A real browser on a real studio: any request to another host fails the test, and so does any error on the page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn
from playwright.sync_api import Browser, ConsoleMessage, Page

from convnets.core.hardware import choose_hardware
from convnets.serving.http.guard import Access
from convnets.studio.app import create_studio
from convnets.studio.library import Library

TOKEN = "token-of-the-tests"
Open = Callable[..., Page]


class _Served:
    """A studio in a thread of this process."""

    def __init__(self, folder: Path) -> None:
        library = Library(folder, None, choose_hardware("cpu", "fp32", 1))
        access = Access(token=TOKEN, open_paths=())
        options = {"host": "127.0.0.1", "port": 0, "log_level": "warning", "access_log": False}
        self.server = uvicorn.Server(uvicorn.Config(create_studio(library, access), **options))  # type: ignore[arg-type]
        self.server.config.timeout_graceful_shutdown = 1
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.address = f"http://localhost:{port}"

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join(10)


@pytest.fixture(scope="session")
def served() -> Iterator[Callable[[Path], str]]:
    """`served(folder)`: the address of a studio of that folder, one for the whole session."""
    studios: dict[Path, _Served] = {}

    def serve(folder: Path) -> str:
        if folder not in studios:
            studios[folder] = _Served(folder)
        return studios[folder].address

    yield serve
    for each in studios.values():
        each.close()


@pytest.fixture
def open_page(browser: Browser, served: Callable[[Path], str]) -> Iterator[Open]:
    """`open_page(folder, "view=network&run=a")`: the page, once nothing is being worked on."""
    contexts, wrong = [], []

    def open_(
        folder: Path,
        query: str,
        *,
        dark: bool = False,
        width: int = 1400,
        language: str = "en-US",
        settle: bool = True,
    ) -> Page:
        address = served(folder)
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            locale=language,
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        host = urlsplit(address).netloc

        def check(request: object) -> None:
            url = request.url  # type: ignore[attr-defined]
            if urlsplit(url).scheme in ("http", "https", "ws") and urlsplit(url).netloc != host:
                wrong.append(f"asked another host: {url}")

        page.on("request", check)
        page.on("pageerror", lambda error: wrong.append(f"error on the page: {error}"))
        page.on(
            "response",
            lambda answer: wrong.append(f"{answer.status} {answer.url}") if bad(answer.status) else None,
        )
        page.on("console", lambda said: wrong.append(f"console: {said.text}") if faulty(said) else None)
        page.goto(f"{address}/?token={TOKEN}&{query}")
        if settle:
            settled(page)
        return page

    yield open_
    for each in contexts:
        each.close()
    assert not wrong, wrong


@pytest.fixture
def settle() -> Callable[[Page], None]:
    """Wait until the view is there and no question is open."""
    return settled


def bad(status: int) -> bool:
    """A refusal (422) is an answer; what is not there, or fails, is a mistake of the page."""
    return status == 404 or status >= 500


def faulty(said: ConsoleMessage) -> bool:
    """An error on the console that is not the browser's word on a refusal."""
    return said.type == "error" and "responded with a status of 4" not in said.text


def settled(page: Page) -> None:
    page.wait_for_selector("#foot .save")
    page.wait_for_function("() => window.convnetsOpen?.() === 0", timeout=60_000)

"""The form of a table, in a real browser: usual values in it, the answer of `predict` beside it, errors in a line."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect

from convnets.checkpoints.table_model import TableModel
from convnets.core.hardware import choose_hardware
from convnets.serving.http.app import create_app
from convnets.serving.http.guard import Access
from convnets.serving.http.limits import Limits
from convnets.serving.http.served_model import ServedModel
from convnets.serving.http.service import Service
from convnets.serving.http.telemetry import RequestLog
from convnets.serving.table_predictor import TablePredictor


@pytest.fixture(scope="module")
def address(row_folders: Path) -> Iterator[str]:
    hardware = choose_hardware("cpu", "fp32", 1)
    models = {name: ServedModel(name, row_folders / name, hardware) for name in ("kinds", "prices", "tides")}
    app = create_app(Service(models, Limits(), RequestLog(quiet=True)), Access())
    options: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "log_level": "warning", "access_log": False}
    server = uvicorn.Server(uvicorn.Config(app, **options))  # type: ignore[arg-type]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """On a phone; any error on the page fails the test."""
    found = browser.new_page(viewport={"width": 380, "height": 740})
    errors: list[str] = []
    found.on("pageerror", lambda error: errors.append(str(error)))
    found.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    found.goto(address)
    found.wait_for_selector("#rows button")
    yield found
    found.close()
    assert [each for each in errors if "422" not in each] == []


def test_a_row_is_filled_in_and_answered(page: Page, row_models: dict[str, TableModel]) -> None:
    assert page.text_content("h1") == "What is kind?"
    fields = page.locator(".field")
    assert fields.count() == 5
    columns = [each.splitlines()[0] for each in fields.locator("label").all_inner_texts()]
    assert columns == ["area", "age", "town", "sold", "floor"]
    usual = {name: page.locator(f"#field-{place}").input_value() for place, name in enumerate(columns)}
    assert usual["town"] in ("oslo", "rome", "paris, old")
    assert re.fullmatch(r"202\d-\d\d-\d\d", usual["sold"])
    page.fill("#field-0", "140.5")
    page.fill("#field-4", "")
    page.select_option("#field-2", "")
    page.click("text=Ask")
    page.wait_for_selector("#answers section")
    asked = pd.DataFrame([usual | {"area": 140.5, "floor": float("nan"), "town": None}]).astype(
        {"age": float}
    )
    (expected,) = TablePredictor(row_models["kinds"], "kinds").predict(asked)
    assert page.text_content(".said") == expected.values["kind"]
    assert expected.probability is not None
    assert f"{100 * expected.probability:.1f} %" in page.inner_text("#answers li >> nth=0")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.select_option("#chosen", label="prices")
    page.click("text=Ask")
    page.wait_for_selector("#answers dd")
    (price,) = TablePredictor(row_models["prices"], "prices").predict(pd.DataFrame([usual]).astype(
        dict.fromkeys(("area", "age", "floor"), float)
    ))  # fmt: skip
    assert float(page.inner_text("#answers dd")) == pytest.approx(price.values["price"], rel=1e-4)


def test_a_series_and_what_is_no_number(page: Page) -> None:
    page.select_option("#chosen", label="tides")
    assert page.text_content("h1") == "What is here +1, here +2?"
    page.click("text=Ask")
    page.wait_for_selector("#answers dd")
    assert page.locator("#answers dd").count() == 2
    page.fill("#field-1", "1 2 three")
    page.click("text=Ask")
    expect(page.locator("#status")).to_have_text("there: 'three' is no number")
    page.fill("#field-1", "1, 2")
    page.click("text=Ask")
    line = "series 1, channel 'there': 2 steps; the model takes 16"
    expect(page.locator("#status")).to_have_text(line)

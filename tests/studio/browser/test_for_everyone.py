"""Every view for every reader: axe without violations in both themes, 360 pixels, two languages, code that runs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

Open = Callable[..., Page]
Settle = Callable[[Page], None]
VIEWS = {
    "runs": "view=runs&run=digits-0",
    "network": "view=network&run=digits-0&image=3",
    "images": "view=images&run=digits-0&tab=data",
    "confusion": "view=images&run=digits-0&tab=confusion&cell=3,3",
    "map": "view=images&run=digits-0&tab=map",
    "explain": "view=explain&run=digits-0&image=3",
    "search": "view=search&run=digits-0&image=3",
    "lab": "view=lab",
}


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    open_page: Open, digits_runs: Path, view: str
) -> None:
    for dark in (False, True):
        page = open_page(digits_runs, VIEWS[view], dark=dark, width=360 if dark else 1400)
        for each in page.locator("details").all():
            each.evaluate("(e) => { e.open = true; }")
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()[:4000]
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{view}, {'dark' if dark else 'light'}: {wide} pixels too wide"


@pytest.mark.parametrize("view", VIEWS)
def test_chinese_has_every_word(open_page: Open, digits_runs: Path, view: str) -> None:
    page = open_page(digits_runs, VIEWS[view], language="zh-CN")
    assert page.get_attribute("html", "lang") == "zh-CN"
    assert page.locator("nav a[aria-current=page]").inner_text() != ""
    missing = page.evaluate("() => [...(window.convnetsMissing ?? [])]")
    assert missing == []


@pytest.mark.parametrize("view", VIEWS)
def test_the_code_of_the_view_prints_its_numbers(open_page: Open, digits_runs: Path, view: str) -> None:
    page = open_page(digits_runs, VIEWS[view])
    codes = page.eval_on_selector_all("[data-code=python]", "all => all.map(e => e.textContent)")
    numbers = page.evaluate("document.getElementById('view').textContent")
    for code in codes:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=digits_runs,
        )
        assert done.returncode == 0, f"{code}\n{done.stderr[-2000:]}"
        assert done.stdout.strip(), code
    assert codes or view == "lab"
    assert numbers


def _result(text: str) -> float:
    return float(re.findall(r"= (-?[\d.e+-]+) and the network gave", text)[-1])


def test_the_code_of_a_unit_prints_the_number_on_the_page(open_page: Open, digits_runs: Path) -> None:
    page = open_page(digits_runs, "view=network&run=digits-0&image=3&node=1&unit=1,4,4")
    shown = float(page.get_attribute("section[aria-label='Unit'] [data-result]", "data-result") or "nan")
    code = page.locator("section[aria-label='Unit'] [data-code=python]").text_content() or ""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=digits_runs
    )
    assert _result(done.stdout) == pytest.approx(shown, rel=1e-9)
    command = page.locator("section[aria-label='Unit'] [data-code=command]").text_content() or ""
    words = [sys.executable, "-m", *command.split(), "--json"]
    told = subprocess.run(words, capture_output=True, text=True, check=True, cwd=digits_runs)
    import json

    assert json.loads(told.stdout)["sum"] == pytest.approx(shown, rel=1e-6)


def test_views_save_pages_that_work_alone(open_page: Open, digits_runs: Path, tmp_path: Path) -> None:
    page = open_page(digits_runs, VIEWS["network"])
    for name in ("HTML", "PNG", "SVG", "CSV"):
        with page.expect_download() as coming:
            page.locator(".save").get_by_role("button", name=name).click()
        coming.value.save_as(tmp_path / f"view.{name.lower()}")
    text = (tmp_path / "view.html").read_text("utf-8")
    assert "default-src 'none'" in text
    assert "/api/" not in re.sub(r"<pre.*?</pre>", "", text, flags=re.S)
    assert (tmp_path / "view.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert (tmp_path / "view.svg").read_text("utf-8").startswith("<svg")
    assert "Multiply-adds" in (tmp_path / "view.csv").read_text("utf-8")
    alone = page.context.new_page()
    alone.goto((tmp_path / "view.html").as_uri())
    assert alone.locator("section[aria-label='Unit'] .result").first.inner_text()
    assert alone.evaluate("[...document.images].every((each) => each.naturalWidth > 0)")


def test_the_tour_is_taken_left_and_remembered(open_page: Open, digits_runs: Path) -> None:
    page = open_page(digits_runs, "view=runs")
    page.get_by_role("button", name="Tour").click()
    page.get_by_role("button", name="Next").click()
    assert "view=network" in page.url
    page.keyboard.press("Escape")
    assert page.locator("[role=dialog]").count() == 0
    assert page.evaluate("localStorage.getItem('convnets-tour')") == "seen"


def test_keys_go_from_view_to_view_and_image_to_image(
    open_page: Open, digits_runs: Path, settle: Settle
) -> None:
    page = open_page(digits_runs, "view=runs&run=digits-0")
    for key, view in (("2", "network"), ("3", "images"), ("5", "search"), ("1", "runs")):
        page.keyboard.press(key)
        page.wait_for_function(f"() => location.search.includes('view={view}')")
    page.keyboard.press("3")
    settle(page)
    page.keyboard.press(".")
    page.wait_for_function("() => location.search.includes('image=1')")
    page.locator("a.skip").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "view"

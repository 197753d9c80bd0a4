"""Every view for every reader: axe without violations in both themes, 360 pixels, two languages, code that runs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def _said(codes: list[str], folder: Path, warm_python: Any) -> list[str]:
    """What each piece of code prints, all run in one fresh process, each in a namespace of its own."""
    runner = (
        "import json, sys, io, contextlib, warnings\nwarnings.simplefilter('ignore')\nsaid = []\n"
        "for code in json.loads(sys.stdin.read()):\n"
        "    out = io.StringIO()\n"
        "    with contextlib.redirect_stdout(out):\n        exec(code, {'__name__': '__main__'})\n"
        "    said.append(out.getvalue())\nprint(json.dumps(said))"
    )
    done = warm_python.run("-c", runner, input=json.dumps(codes), cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def _numbers(text: str) -> list[float]:
    return [float(each.replace(",", "")) for each in re.findall(r"-?\d[\d,]*\.?\d*(?:e[+-]?\d+)?", text)]


# view → what the page shows, and in which card's code it is printed
SHOWN = {
    "network": ("section[aria-label='Network']", "() => document.querySelector('[data-macs]').dataset.macs"),
    "images": ("section[aria-label='One image']", None),
    "confusion": (
        "section[aria-label='Confusion']",
        "() => document.querySelector('[data-accuracy]').dataset.accuracy",
    ),
    "explain": (
        "section[aria-label='Where the class has its grounds']",
        "() => document.querySelector('[data-high]').dataset.high",
    ),
    "search": (
        "section[aria-label='Triplets as the loss sees them']",
        "() => document.querySelector('[data-loss]').dataset.loss",
    ),
}


@pytest.mark.parametrize("view", [view for view in VIEWS if view != "lab"])
def test_the_code_of_the_view_prints_its_numbers(
    open_page: Open, digits_runs: Path, view: str, warm_python: Any
) -> None:
    page = open_page(digits_runs, VIEWS[view])
    codes = page.eval_on_selector_all("[data-code=python]", "all => all.map(e => e.textContent)")
    said = _said(codes, digits_runs, warm_python)
    assert codes
    assert all(each.strip() for each in said)
    if view not in SHOWN:
        return
    section, wanted = SHOWN[view]
    code = page.locator(f"{section} [data-code=python]").last.text_content()
    printed = _numbers(said[codes.index(code)])
    if wanted is not None:
        shown = float(page.evaluate(wanted))
        assert any(each == pytest.approx(shown, rel=1e-4, abs=1e-9) for each in printed), (
            shown,
            printed[:40],
        )
    else:  # the most probable class, in percent
        share = float(re.findall(r"([\d.]+) %", page.locator(section).inner_text())[0]) / 100
        assert max(printed) == pytest.approx(share, abs=6e-5) or share in [
            pytest.approx(p, abs=6e-5) for p in printed
        ]


def _result(text: str) -> float:
    return float(re.findall(r"= (-?[\d.e+-]+) and the network gave", text)[-1])


def test_the_code_of_a_unit_prints_the_number_on_the_page(
    open_page: Open, digits_runs: Path, warm_python: Any
) -> None:
    page = open_page(digits_runs, "view=network&run=digits-0&image=3&node=1&unit=1,4,4")
    shown = float(page.get_attribute("section[aria-label='Unit'] [data-result]", "data-result") or "nan")
    code = page.locator("section[aria-label='Unit'] [data-code=python]").text_content() or ""
    done = warm_python.run("-c", code, check=True, cwd=digits_runs)
    assert _result(done.stdout) == pytest.approx(shown, rel=1e-9)
    command = page.locator("section[aria-label='Unit'] [data-code=command]").text_content() or ""
    told = warm_python.run("-m", *command.split(), "--json", check=True, cwd=digits_runs)
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

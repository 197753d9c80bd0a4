"""A folder with runs on tables and series in a real browser: curves, and a sentence where a view is for images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

Open = Callable[..., Page]
Settle = Callable[[Page], None]


def test_curves_and_sentences(open_page: Open, row_runs: Path, settle: Settle) -> None:
    page = open_page(row_runs, "view=runs&run=numbers")
    table = page.locator("section[aria-label='Runs'] tbody")
    assert table.locator("tr").count() == 4
    assert "R² " in table.locator("tr", has_text="numbers").inner_text()
    assert "R² " not in table.locator("tr", has_text="classes").inner_text()
    assert page.locator("section[aria-label='Validation loss'] svg").count() == 1
    assert "accuracy is R²" in page.locator("main").inner_text()
    assert "Branch with other options" not in page.locator("main").inner_text()
    page.get_by_label("curves of windows").check()
    page.wait_for_selector("section[aria-label='What differs']")
    settle(page)
    for title in ("Network", "Images", "Explain", "Search"):
        page.get_by_role("link", name=title, exact=True).click()
        sentence = "numbers was trained on a table, and this view is for images: its curves are under Runs."
        expect(page.locator("#view .note")).to_have_text(sentence)
    page.locator("#selection select").first.select_option("windows")
    expect(page.locator("#view .note")).to_contain_text("windows was trained on series")
    page.locator("#selection select").first.select_option("images")
    expect(page.locator("#view .note")).to_have_count(0)
    page.get_by_role("link", name="Lab", exact=True).click()
    page.wait_for_selector("text=Predict, then look")

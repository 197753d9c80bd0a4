"""Explaining, painting and the lab in a real browser, with the numbers on the page worked out again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page

import convnets
from convnets.explanation.sample import pixels_of
from convnets.serving.model_and_images import open_model_and_images

Open = Callable[..., Page]
Settle = Callable[[Page], None]


def _image(run: Path, index: int) -> tuple[convnets.TrainedModel, torch.Tensor, torch.Tensor]:
    found = open_model_and_images(run, part="test")
    pixels = pixels_of(found.images.subset([index]), found.model.preprocess)
    return found.model, pixels, found.model.preprocess(pixels)


@pytest.mark.fashion_mnist
def test_why_this_and_not_that(open_page: Open, fashion_runs: Path, settle: Settle) -> None:
    page = open_page(fashion_runs, "view=explain&run=lenet_bn&part=test&image=4")
    page.locator("label:has-text('Method') select").select_option("integrated-gradients")
    page.wait_for_function("() => location.search.includes('integrated')")
    page.locator("label:has-text('and not') select").select_option("2")
    page.wait_for_function(
        "() => document.querySelector('[data-high]')?.innerText.includes('and not Pullover')"
    )
    settle(page)
    model, _, image = _image(fashion_runs / "lenet_bn", 4)
    wanted = convnets.explain(model.network, image, contrast=2, method="integrated-gradients")[0]
    low, high = (
        float(page.get_attribute("[data-high]", f"data-{name}") or "nan") for name in ("low", "high")
    )
    assert (low, high) == (
        pytest.approx(float(wanted.map.min()), rel=1e-4),
        pytest.approx(float(wanted.map.max()), rel=1e-4),
    )
    page.get_by_role("button", name="Draw the curves").click()
    page.wait_for_selector("[data-deletion]")
    page.get_by_role("button", name="Shuffle the layers").click()
    page.wait_for_selector("[data-correlations]")
    settle(page)
    page.get_by_role("button", name="Look at every epoch").click()
    page.wait_for_selector("section[aria-label='Over the epochs'] svg.chart")


@pytest.mark.fashion_mnist
def test_a_second_run_is_asked_the_same(open_page: Open, fashion_runs: Path, settle: Settle) -> None:
    page = open_page(fashion_runs, "view=explain&run=lenet_bn&part=test&image=4&target=6")
    page.locator("label:has-text('Beside it') select").select_option("lenet")
    page.wait_for_selector("[data-other]")
    assert "other=lenet" in page.url
    model, _, image = _image(fashion_runs / "lenet", 4)
    wanted = convnets.explain(model.network, image, target=6)[0]
    assert float(page.get_attribute("[data-other]", "data-other") or "nan") == pytest.approx(
        float(wanted.map.max()), rel=1e-4
    )


@pytest.mark.fashion_mnist
def test_painting_by_keyboard_moves_the_classes(open_page: Open, fashion_runs: Path, settle: Settle) -> None:
    page = open_page(fashion_runs, "view=explain&run=lenet_bn&part=test&image=4")
    page.wait_for_function("() => document.querySelector('[data-paint]').dataset.paint.startsWith('[')")
    settle(page)

    def shown() -> list[float]:
        return [float(each) for each in json.loads(page.get_attribute("[data-paint]", "data-paint") or "[]")]

    model, pixels, image = _image(fashion_runs / "lenet_bn", 4)
    with torch.no_grad():
        clean = model.network(image)[0].double().softmax(0).tolist()
    before = shown()
    assert before == pytest.approx(clean, abs=1e-5)
    pad = page.locator("section[aria-label='Paint'] canvas")
    pad.focus()
    for _ in range(6):
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Space")
    page.wait_for_function(
        "(before) => document.querySelector('[data-paint]').dataset.paint !== before", arg=json.dumps(before)
    )
    settle(page)
    painted = page.evaluate(
        """() => { const c = document.querySelector("section[aria-label='Paint'] canvas"); c.blur();
        return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 === 0); }"""
    )
    side = pixels.shape[-1]
    x = model.preprocess(torch.tensor(painted, dtype=torch.uint8).view(1, 1, side, side))
    with torch.no_grad():
        assert model.network(x)[0].double().softmax(0).tolist() == pytest.approx(shown(), abs=0.02)
    page.locator("section[aria-label='Paint']").get_by_role("button", name="The picture again").click()
    page.wait_for_function(
        "(now) => document.querySelector('[data-paint]').dataset.paint !== now", arg=json.dumps(shown())
    )
    settle(page)
    assert shown() == pytest.approx(clean, abs=1e-5)


def test_a_question_is_answered_and_then_measured(open_page: Open, digits_runs: Path) -> None:
    page = open_page(digits_runs, "view=lab")
    page.locator("section[aria-label='Predict, then look'] select").select_option("constant")
    look = page.get_by_role("button", name="Now look")
    assert look.is_disabled()
    page.get_by_label("it does not learn at all").focus()
    page.keyboard.press("Space")
    look.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-verdict]", timeout=90_000)
    section = page.locator("section[aria-label='Predict, then look']")
    numbers = [float(each) for each in section.locator("dd").all_inner_texts()]
    verdict = int(page.get_attribute("[data-verdict]", "data-verdict") or -1)
    left, right = numbers
    assert verdict == (3 if right < 0.25 else sum(left - right > limit for limit in (-0.01, 0.01)))
    assert ("As you said" in section.inner_text()) == (verdict == 3)
    curve = page.locator("section[aria-label='Validation accuracy']")
    curve.locator("summary").click()
    last = curve.locator("tbody tr").last
    last.wait_for()
    assert [float(each) for each in last.locator("td").all_inner_texts()[1:]] == pytest.approx(
        numbers, abs=1e-4
    )
    assert page.locator("table.strip").count() >= 4


def test_an_experiment_is_stopped(open_page: Open, digits_runs: Path) -> None:
    page = open_page(digits_runs, "view=lab")
    for box in page.locator("label:has-text('Epochs') input").all():
        box.fill("40")
        box.press("Enter")
    page.get_by_role("button", name="Train both").click()
    page.wait_for_selector("table.strip", timeout=60_000)
    page.get_by_role("button", name="Stop").click()
    page.wait_for_function(
        "() => document.querySelector('#view [role=status]') && !document.querySelector('button.main:disabled')"
    )

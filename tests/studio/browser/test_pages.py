"""Runs, images and search in a real browser: from opening to the number on the page, which is worked out again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Page
from typer.testing import CliRunner

import convnets
from convnets import Descriptor
from convnets.cli.main import app
from convnets.serving.model_and_images import open_model_and_images

Open = Callable[..., Page]
Settle = Callable[[Page], None]


def test_runs_are_listed_searched_and_compared(open_page: Open, digits_runs: Path, settle: Settle) -> None:
    page = open_page(digits_runs, "view=runs")
    rows = page.locator("section[aria-label='Runs'] tbody tr")
    assert rows.count() == 3
    assert "cannot be read" in page.locator("section[aria-label='Runs']").inner_text()
    page.get_by_placeholder("name, network, data, status").fill("digits-1")
    assert rows.count() == 1
    page.get_by_placeholder("name, network, data, status").fill("")
    page.get_by_label("curves of digits-1").check()
    page.get_by_label("curves of digits-0").check()
    page.wait_for_selector("section[aria-label='What differs']")
    settle(page)
    assert "seed" in page.locator("section[aria-label='What differs']").inner_text()
    # two seeds are one band; its mean is that of the runs' files
    first = page.locator("section[aria-label='Validation accuracy']")
    first.locator("summary").click()
    first.locator("tbody tr").first.wait_for()
    shown = [float(each) for each in first.locator("tbody tr td:nth-child(2)").all_inner_texts()]
    both = [convnets.Run(digits_runs / f"digits-{seed}").metrics for seed in (0, 1)]
    means = [np.mean([rows[epoch]["validation_accuracy"] for rows in both]) for epoch in (0, 1)]
    assert shown == pytest.approx(means, rel=1e-5)
    assert first.locator("polygon").count() == 1


def test_runs_are_chosen_by_keyboard_alone(open_page: Open, digits_runs: Path, settle: Settle) -> None:
    page = open_page(digits_runs, "view=runs&run=digits-0&runs=digits-0")
    page.get_by_role("button", name="digits-1", exact=True).focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("section[aria-label='digits-1']")
    page.get_by_label("curves of digits-0").focus()
    page.keyboard.press("Space")
    page.wait_for_selector("section[aria-label='What differs']")
    head = page.locator("th[aria-sort] button", has_text="Validation").first
    head.focus()
    page.keyboard.press("Enter")
    assert page.locator("th[aria-sort=descending]").inner_text() == "Validation"


def test_a_run_is_begun_watched_and_stopped_in_the_page(
    open_page: Open, tmp_path: Path, settle: Settle
) -> None:
    page = open_page(tmp_path, "view=runs")
    page.get_by_text("A new run").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("mine")
    page.locator("form label:has-text('Network') select").select_option("softmax")
    page.locator("[name=epochs]").fill("500")
    page.locator("details:has-text('All options') summary").last.click()
    page.locator("[name=device]").fill("cpu")
    page.get_by_role("button", name="Train").click()
    page.wait_for_selector(".status.running", timeout=60_000)
    page.get_by_role("button", name="Stop").click(timeout=60_000)
    page.wait_for_selector(".status.interrupted", timeout=60_000)
    run = convnets.Run(tmp_path / "mine")
    assert run.network_name == "softmax"
    assert run.config.epochs == 500
    page.get_by_role("button", name="Train").click()
    page.wait_for_selector("[role=alert]:has-text('is there already')")


def test_the_images_behind_a_step(open_page: Open, digits_runs: Path, settle: Settle) -> None:
    page = open_page(digits_runs, "view=runs&run=digits-0&runs=digits-0")
    events = [
        json.loads(line) for line in (digits_runs / "digits-0" / "events.jsonl").read_text().splitlines()
    ]
    if sum(each["event"] == "StepEnded" for each in events) > 1:
        page.get_by_label("Step").select_option("1")
        page.wait_for_selector("img[alt='the images of the step']")
        settle(page)


@pytest.mark.fashion_mnist
def test_confusion_cells_are_those_of_evaluate(open_page: Open, fashion_runs: Path, settle: Settle) -> None:
    said = CliRunner().invoke(
        app, ["evaluate", str(fashion_runs / "lenet_bn"), "--part", "test", "--precision", "fp32", "--json"]
    )
    judged = json.loads(said.stdout)
    page = open_page(fashion_runs, "view=images&run=lenet_bn&part=test&tab=confusion")
    page.wait_for_selector("[data-matrix]")
    cells = page.eval_on_selector_all(
        "[data-cell]", "all => all.map(e => [e.dataset.cell, Number(e.innerText)])"
    )
    shown = dict(cells)
    assert len(shown) == 100
    assert sum(shown.values()) == 10_000
    right = sum(shown[f"{k},{k}"] for k in range(10))
    assert right / 10_000 == pytest.approx(judged["accuracy"], abs=1e-12)
    matrix = np.array(judged["confusion"])
    assert shown == {f"{i},{j}": int(matrix[i][j]) for i in range(10) for j in range(10)}
    worst = max((cell for cell in shown if len(set(cell.split(","))) == 2), key=lambda cell: shown[cell])
    page.locator(f"[data-cell='{worst}']").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-cell-total]")
    assert page.get_attribute("[data-cell-total]", "data-cell-total") == str(shown[worst])
    page.locator("section[aria-label='Images of the cell'] .gallery button").first.click()
    page.wait_for_selector("section[aria-label='One image']:has-text('mistaken')")
    settle(page)
    page.go_back()
    page.go_back()
    settle(page)
    assert page.locator("[data-cell-total]").count() == 0


@pytest.mark.cifar10_images
def test_images_of_a_folder_of_jpegs(open_page: Open, cifar_runs: Path, settle: Settle) -> None:
    page = open_page(cifar_runs, "view=images&run=resnet20&part=test&image=13")
    found = open_model_and_images(cifar_runs / "resnet20", part="test")
    from convnets.explanation.sample import pixels_of

    with torch.no_grad():
        x = found.model.preprocess(pixels_of(found.images.subset([13]), found.model.preprocess))
        probabilities = found.model.network.double()(x.double())[0].softmax(0)
    one = page.locator("section[aria-label='One image']")
    name, share = found.model.classes[int(probabilities.argmax())], float(probabilities.max())
    assert f"{name}\n{100 * share:.2f} %" in one.inner_text() or f"{100 * share:.2f} %" in one.inner_text()
    page.get_by_role("tab", name="Map").click()
    page.wait_for_function(
        "() => /images on a plane/.test(document.querySelector('canvas.saved')?.ariaLabel ?? '')"
    )
    page.locator("label:has-text('Choose a class') select").select_option("3")
    page.wait_for_selector("h3:has-text('8 images chosen')")
    page.get_by_role("tab", name="Mistakes").click()
    page.wait_for_selector("section[aria-label='Most confident mistakes']")
    settle(page)


@pytest.mark.fashion_mnist
def test_similar_images_are_those_of_the_library(open_page: Open, fashion_runs: Path, settle: Settle) -> None:
    page = open_page(fashion_runs, "view=search&run=lenet_bn&part=test&image=7")
    found = open_model_and_images(fashion_runs / "lenet_bn", part="test")
    chosen = list(range(0, 10_000, 2))  # 5,000 at equal distances
    model = found.model
    described = convnets.describe(
        model.network,
        found.images.subset(chosen),
        model.preprocess,
        Descriptor(stage="features", pooling="average"),
    )
    query = convnets.describe(
        model.network,
        found.images.subset([7]),
        model.preprocess,
        Descriptor(stage="features", pooling="average"),
    )
    cosines = (described.double() @ query[0].double()).sort(descending=True)
    section = page.locator("section[aria-label='Similar images']")
    first = section.locator(".gallery button").first
    assert int(first.get_attribute("data-image") or -1) in [chosen[int(k)] for k in cosines.indices[:3]]
    assert float(first.inner_text().split()[-1]) == pytest.approx(float(cosines.values[0]), abs=2e-4)
    before = first.inner_text()
    pooling = page.get_by_label("Pooling:")
    pooling.focus()
    pooling.press("End")
    best = "document.querySelector(\"section[aria-label='Similar images'] .gallery button\")"
    page.wait_for_function(f"(before) => {best}.innerText !== before", arg=before)
    page.get_by_role("tab", name="a drawing").click()
    settle(page)
    pad = page.locator("canvas[role=application]")
    pad.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Space")
    settle(page)
    assert section.locator(".gallery button").count() == 24

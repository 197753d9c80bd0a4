"""The network view: what a person clicks, and the numbers on the page worked out again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import Page
from torch import Tensor, nn
from typer.testing import CliRunner

import convnets
from convnets.cli.main import app
from convnets.explanation.sample import pixels_of
from convnets.serving.model_and_images import open_model_and_images

Open = Callable[..., Page]
Settle = Callable[[Page], None]


class _Recorder:
    """What every module takes and gives for an image, in float64."""

    def __init__(self, run: Path, image: int) -> None:
        found = open_model_and_images(run, part="test")
        self.model = found.model
        network = self.model.network.double()
        self.modules = dict(network.named_modules())
        self.taken: dict[str, Tensor] = {}
        self.given: dict[str, Tensor] = {}
        for weight in network.parameters():
            weight.requires_grad_(False)
        for path, module in self.modules.items():
            module.register_forward_hook(lambda _, x, y, path=path: self._keep(path, x[0], y))
        pixels = pixels_of(found.images.subset([image]), self.model.preprocess)
        with torch.no_grad():
            self.logits = network(self.model.preprocess(pixels).double())[0]

    def _keep(self, path: str, x: Tensor, y: Tensor) -> None:
        self.taken[path], self.given[path] = x[0], y[0]

    def worked(self, path: str, unit: tuple[int, ...]) -> float:
        """The number at `unit`, by loops over the definition."""
        module, x = self.modules[path], self.taken[path]
        if isinstance(module, nn.Linear):
            return float(
                (module.weight[unit[0]] * x).sum() + (0 if module.bias is None else module.bias[unit[0]])
            )
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            c, value = unit[0], x[unit]
            scaled = (value - module.running_mean[c]) / torch.sqrt(module.running_var[c] + module.eps)
            return float(scaled * module.weight[c] + module.bias[c])
        if isinstance(module, nn.Conv2d):
            return self._convolved(module, x, unit)
        if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
            return self._pooled(module, x, unit)
        raise AssertionError(module)

    @staticmethod
    def _convolved(module: nn.Conv2d, x: Tensor, unit: tuple[int, ...]) -> float:
        padded = F.pad(x, (module.padding[1],) * 2 + (module.padding[0],) * 2)
        total = 0.0 if module.bias is None else float(module.bias[unit[0]])
        height, width = module.kernel_size
        for c in range(x.shape[0]):
            for u in range(height):
                for v in range(width):
                    row, column = unit[1] * module.stride[0] + u, unit[2] * module.stride[1] + v
                    total += float(padded[c, row, column] * module.weight[unit[0], c, u, v])
        return total

    @staticmethod
    def _pooled(module: nn.Module, x: Tensor, unit: tuple[int, ...]) -> float:
        size, stride, padding = module.kernel_size, module.stride, module.padding
        values = [
            float(x[unit[0], row, column])
            for row in range(unit[1] * stride - padding, unit[1] * stride - padding + size)
            for column in range(unit[2] * stride - padding, unit[2] * stride - padding + size)
            if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]
        ]
        return max(values) if isinstance(module, nn.MaxPool2d) else sum(values) / size**2


def _results(page: Page) -> list[tuple[str, float]]:
    """Kind and result of every step of arithmetic that the page shows."""
    return page.eval_on_selector_all(
        "[data-step]",
        "all => all.map(e => [e.dataset.step, Number(e.querySelector('[data-result]').dataset.result)])",
    )


def _nodes(page: Page, run: str) -> list[dict]:  # type: ignore[type-arg]
    return page.evaluate(
        "async (run) => (await (await fetch(`/api/network/graph?run=${run}`)).json()).nodes", run
    )


def _check_arithmetic(page: Page, folder: Path, run: str, settle: Settle) -> set[str]:
    recorder, checked = _Recorder(folder / run, 3), set()
    for node in _nodes(page, run):
        module = recorder.modules.get(node["name"])
        kind = type(module).__name__
        wanted = isinstance(
            module, nn.Conv2d | nn.Linear | nn.BatchNorm2d | nn.BatchNorm1d | nn.MaxPool2d | nn.AvgPool2d
        )
        if not wanted or kind in checked:
            continue
        checked.add(kind)
        unit = tuple(side // 2 for side in node["shape"])
        words = ",".join(map(str, unit))
        page.evaluate(
            "async ([node, unit]) => (await import('/front/state.js')).set({ node, unit })",
            [str(node["index"]), words],
        )
        page.wait_for_selector(f"section[aria-label='Unit'] h2:has-text('Unit {', '.join(map(str, unit))}')")
        page.wait_for_selector(f"[data-unit-node='{node['index']}']")
        settle(page)
        shown_kind, shown = _results(page)[0]
        assert shown_kind == kind
        assert shown == pytest.approx(recorder.worked(node["name"], unit), rel=2e-4, abs=2e-5), (
            run,
            node["name"],
        )
    return checked


@pytest.mark.fashion_mnist
def test_arithmetic_on_fashion_mnist(open_page: Open, fashion_runs: Path, settle: Settle) -> None:
    kinds: set[str] = set()
    for run in ("lenet", "lenet_bn"):
        page = open_page(fashion_runs, f"view=network&run={run}&image=3&part=test")
        kinds |= _check_arithmetic(page, fashion_runs, run, settle)
    assert {"Conv2d", "AvgPool2d", "Linear", "BatchNorm2d", "BatchNorm1d"} <= kinds


@pytest.mark.cifar10_images
@pytest.mark.parametrize("run", ["vgg11_quarter", "googlenet", "resnet20", "densenet_bc100"])
def test_arithmetic_on_cifar_jpegs(open_page: Open, cifar_runs: Path, run: str, settle: Settle) -> None:
    page = open_page(cifar_runs, f"view=network&run={run}&image=3&part=test")
    assert "Conv2d" in _check_arithmetic(page, cifar_runs, run, settle)


@pytest.mark.fashion_mnist
def test_from_the_graph_to_the_softmax(open_page: Open, fashion_runs: Path, settle: Settle) -> None:
    page = open_page(fashion_runs, "view=network&run=lenet_bn&image=3&part=test")
    page.locator(".node[data-path='classifier']").click()
    page.wait_for_selector("section[aria-label='Layer'] h2:has-text('classifier')")
    page.get_by_label("Feature").fill("4")
    page.keyboard.press("Enter")
    page.wait_for_selector("section[aria-label='Unit'] h2:has-text('Unit 4')")
    settle(page)
    logits = _Recorder(fashion_runs / "lenet_bn", 3).logits
    assert _results(page)[-1] == ["Softmax", pytest.approx(float(logits.softmax(0)[4]), rel=1e-4)]


@pytest.mark.fashion_mnist
def test_boxes_are_those_of_convnets_field(open_page: Open, fashion_runs: Path) -> None:
    said = CliRunner().invoke(app, ["field", str(fashion_runs / "lenet_bn"), "--json"])
    rows = {row["name"]: row for row in json.loads(said.stdout)}
    for node, name, unit in ((1, "convolutions.0", (2, 5, 7)), (5, "convolutions.4", (3, 4, 6))):
        page = open_page(
            fashion_runs, f"view=network&run=lenet_bn&node={node}&unit={','.join(map(str, unit))}"
        )
        box = page.get_attribute("[data-box]", "data-box")
        spans = [axis["spans"][place] for axis, place in zip(rows[name]["axes"], unit[1:], strict=True)]
        assert box == ",".join(str(each) for first, last in spans for each in (first, last + 1))


@pytest.mark.fashion_mnist
def test_a_unit_is_chosen_by_keyboard_alone(open_page: Open, fashion_runs: Path, settle: Settle) -> None:
    page = open_page(fashion_runs, "view=network&run=lenet_bn&node=1&unit=2,5,7")
    page.locator("canvas[role=application]").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("section[aria-label='Unit'] h2:has-text('Unit 2, 5, 8')")
    settle(page)
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("section[aria-label='Unit'] h2:has-text('Unit 2, 6, 8')")
    assert "unit=2%2C6%2C8" in page.url
    node = page.locator(".node[data-path='convolutions.4']")
    node.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("section[aria-label='Layer'] h2:has-text('convolutions.4')")
    page.go_back()
    page.wait_for_selector("section[aria-label='Layer'] h2:has-text('convolutions.0')")


@pytest.mark.fashion_mnist
def test_what_if_names_the_layer_that_breaks(open_page: Open, fashion_runs: Path) -> None:
    page = open_page(fashion_runs, "view=network&run=lenet_bn")
    slider = page.get_by_label("Side of the image", exact=False).first
    slider.evaluate("(e) => { e.value = 9; e.dispatchEvent(new Event('input')); }")
    page.wait_for_selector("[data-breaks]")
    network = convnets.create_model("lenet_bn")
    with pytest.raises(convnets.errors.LayerError) as broken:
        convnets.inspect(network, (1, 9, 9), training=False)
    assert page.get_attribute("[data-breaks]", "data-breaks") == broken.value.layer
    slider.evaluate("(e) => { e.value = 30; e.dispatchEvent(new Event('input')); }")
    page.wait_for_selector("[data-macs]")
    macs = convnets.inspect(network, (1, 30, 30), training=False).macs
    assert page.get_attribute("[data-macs]", "data-macs") == str(macs)


@pytest.mark.cifar10_images
def test_blocks_fold_and_lenses_open(open_page: Open, cifar_runs: Path, settle: Settle) -> None:
    page = open_page(cifar_runs, "view=network&run=resnet20")
    before = page.locator(".node[data-node]").count()
    page.get_by_label("fold stage2", exact=True).first.focus()
    page.keyboard.press("Enter")
    page.wait_for_function(f"() => document.querySelectorAll('.node[data-node]').length < {before}")
    page.locator("section[aria-label='Lenses'] select").select_option("residual")
    page.wait_for_selector("section[aria-label='Lenses'] .bars")
    settle(page)
    assert page.locator("section[aria-label='Lenses'] .bars").inner_text().count("cos") == 9

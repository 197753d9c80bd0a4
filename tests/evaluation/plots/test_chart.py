"""Charts: every mark stands where a linear scale puts it, and a run's report needs no drawing library."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from convnets.evaluation.plots.axis import Axis
from convnets.evaluation.plots.chart import Panel, chart_svg

_SVG = "{http://www.w3.org/2000/svg}"


def _grid(svg: str) -> tuple[list[float], list[float]]:
    """Places of the vertical and of the horizontal lines."""
    path = next(
        path for path in ElementTree.fromstring(svg).iter(f"{_SVG}path") if path.get("stroke-width") == "0.8"
    )
    lines = path.get("d") or ""
    return (
        [float(x) for x in re.findall(r"M([-\d.]+) [-\d.]+V", lines)],
        [float(y) for y in re.findall(r"M[-\d.]+ ([-\d.]+)H", lines)],
    )


def test_points_stand_where_the_ticks_say() -> None:
    panel = Panel(x=Axis(low=0, high=10), y=Axis(low=-1, high=1))
    panel.dots([(0, -1), (4, 0.5), (10, 1)])
    svg = chart_svg("dots", [[panel]])
    across, upward = _grid(svg)  # 0, 2 … 10 and -1, -0.5 … 1
    found = [
        (float(dot.get("cx", "")), float(dot.get("cy", "")))
        for dot in ElementTree.fromstring(svg).iter(f"{_SVG}circle")
    ]
    assert found == [(across[0], upward[0]), (across[2], upward[3]), (across[5], upward[4])]
    assert upward == sorted(upward, reverse=True)


def test_bars_stand_on_zero() -> None:
    panel = Panel(x=Axis(low=0, high=2), y=Axis(low=-1, high=1))
    panel.bars([(0, 1, 1.0), (1, 1, -1.0)])
    svg = chart_svg("bars", [[panel]])
    _, upward = _grid(svg)
    first, second = ElementTree.fromstring(svg).iter(f"{_SVG}rect")
    assert float(first.get("y", "")) == pytest.approx(upward[-1])
    assert float(second.get("y", "")) == pytest.approx(upward[2])
    assert first.get("height") == second.get("height")


def test_everything_lies_within_the_picture() -> None:
    panel = Panel("A title", Axis("epoch"), Axis("a label"), beside=True)
    panel.line([(0, 1e-9), (100_000, 123_456.0)], name="a long name of a run")
    svg = chart_svg("a < b", [[panel], [Panel()]], 500, 200)
    root = ElementTree.fromstring(svg)
    _, _, width, height = map(float, (root.get("viewBox") or "").split())
    assert (width, height) == (500, 200)
    assert root.get("aria-label") == "a < b"
    for text in root.iter(f"{_SVG}text"):
        if text.get("x"):
            assert 0 <= float(text.get("x", "")) <= width
            assert 0 <= float(text.get("y", "")) <= height


def test_a_report_loads_no_drawing_library() -> None:
    code = (
        "import sys, torch\n"
        "from convnets.evaluation.evaluation import Evaluation\n"
        "from convnets.evaluation.report.page import Report\n"
        "judged = Evaluation(torch.eye(3), torch.arange(3), ('a', 'b', 'c'), 0.0, 1.0, 'by hand')\n"
        "page = Report('t', rows=[{'epoch': 1, 'train_loss': 1.0, 'learning_rate': 0.1}], evaluation=judged).html()\n"
        "assert page.count('<svg') == 4, page.count('<svg')\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'matplotlib'])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"

"""Ticks, scales and marks of charts, against what is asked of them."""

from __future__ import annotations

import itertools
import math
import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.ticker import MaxNLocator

from convnets.evaluation.chart import Panel, document, label, ticks, with_margin
from convnets.evaluation.plots import curve_svg, lines_svg


@given(st.floats(-1e300, 1e300), st.floats(0, 1e300), st.integers(2, 9), st.booleans())
def test_ticks_are_round_even_few_and_inside(low: float, room: float, most: int, whole: bool) -> None:
    high = low + room
    found = ticks(low, high, most, whole=whole)
    assert len(found) <= most + 1
    assert len(set(found)) == len(found)
    slack = 1e-6 * max(abs(low), abs(high), 1.0 if whole else 1e-300)
    assert all(low - slack <= each <= high + slack for each in found)
    if len(found) > 2:
        steps = [b - a for a, b in itertools.pairwise(found)]
        assert max(steps) - min(steps) <= slack
        digits = steps[0] / 10.0 ** math.floor(math.log10(steps[0]) + 1e-9)
        assert (
            min(abs(digits - each) for each in (1, 2, 2.5, 5, 10)) < 1e-2 or max(map(abs, found)) > 1e3 * room
        )
    if whole:
        assert all(float(each).is_integer() for each in found[1:])


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0.03, 0.97), (-2.3, 4.1), (0, 59), (1e-5, 9e-5), (990, 1030)]
)
def test_there_are_enough_ticks(low: float, high: float) -> None:
    """At least half as many as matplotlib sets within the same limit."""
    theirs = [each for each in MaxNLocator(6).tick_values(low, high) if low <= each <= high]
    assert 2 * len(ticks(low, high, 6)) >= len(theirs) > 2


@pytest.mark.parametrize("values", [[], [0.0], [3.0], [-1e-320, 1e-320], [1, 2, 5], [1e300, -1e300]])
def test_limits_hold_the_values_and_are_apart(values: list[float]) -> None:
    low, high = with_margin(values, 0.1)
    assert low < high
    assert all(low <= each <= high for each in values)


def test_points_lie_where_their_numbers_say() -> None:
    rows = [{"epoch": e, "train_loss": v, "best": 0.0} for e, v in ((1, 2.0), (2, 1.0), (4, 0.5), (5, 1.5))]
    path = re.search(r'<path d="M([^"]*)"', curve_svg(rows, "loss"))
    assert path is not None
    points = [tuple(map(float, pair.split())) for pair in path[1].split("L")]
    (x0, y0), (x1, y1) = points[0], points[1]  # two decimals each, so 0.045 apart at most
    for row, (x, y) in zip(rows, points, strict=True):
        assert x == pytest.approx(x0 + (x1 - x0) * (row["epoch"] - 1), abs=0.05)
        assert y == pytest.approx(y0 + (y1 - y0) * (2.0 - row["train_loss"]), abs=0.05)
    assert x1 > x0
    assert y1 > y0  # a smaller number lies lower


def test_an_axis_counts_as_its_panel_does() -> None:
    panel = Panel(40, 10, 200, 100, (0, 10), (0, 1))
    assert (panel.x(0), panel.x(10), panel.y(0), panel.y(1)) == (40, 240, 110, 10)
    root = ElementTree.fromstring(document(300, 150, [panel.x_axis([0, 5], str, "epoch")], "<&"))
    rules = [each for each in root if each.tag.endswith("line")]
    assert [float(each.get("x1", "")) for each in rules] == [40, 140]
    assert ["".join(each.itertext()) for each in root if each.tag.endswith("text")] == ["0", "5", "epoch"]


def test_words_of_users_are_escaped() -> None:
    for svg in (
        document(9, 9, [label(0, 0, "<b>&\x00")], '"<&'),
        lines_svg({"<b>&\udc80": [(1, 0.5)]}, "loss"),
    ):
        assert "<b>" not in "".join(ElementTree.tostring(ElementTree.fromstring(svg), "unicode"))


def test_every_run_has_a_line_and_its_name_though_names_are_cut_alike() -> None:
    runs = {f"{'long ' * 12}{place}": [(1, 0.1), (2, None), (3, 0.3 + place)] for place in range(14)}
    svg = lines_svg(runs, "loss")
    assert len(re.findall(r"<path ", svg)) == 14
    texts = [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]
    assert sum(str(text).endswith("…") for text in texts) == 14

"""The notebook's figure: one display, updated in place, the last drawing of all epochs."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from convnets.evaluation.plots import curves_svg
from convnets.training.events import EpochEnded, RunEnded
from convnets.training.listeners.choose import default_listeners
from convnets.training.listeners.notebook import Notebook
from convnets.training.listeners.terminal import Terminal


class Handle:
    def __init__(self, first: Any) -> None:
        self.shown = [first]

    def update(self, figure: Any) -> None:
        self.shown.append(figure)


@pytest.fixture
def displays(monkeypatch: pytest.MonkeyPatch) -> list[Handle]:
    made: list[Handle] = []
    module = types.ModuleType("IPython.display")

    def display(figure: Any, display_id: bool = False) -> Handle:
        assert display_id
        made.append(Handle(figure))
        return made[-1]

    module.SVG = lambda data: data  # type: ignore[attr-defined]
    module.display = display  # type: ignore[attr-defined]
    package = types.ModuleType("IPython")
    package.version_info, package.get_ipython = (9, 0), lambda: None  # type: ignore[attr-defined]  # matplotlib asks
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return made


def epoch(number: int) -> EpochEnded:
    return EpochEnded(number, 0.1, 1 / number, 0.5, 1.0, 0.5, 100.0, 90.0, 1.0, best=True)


def test_one_figure_is_updated_in_place_and_ends_complete(displays: list[Handle]) -> None:
    listener = Notebook(interval=0.0)
    for number in (1, 2, 3):
        listener(epoch(number))
    listener(RunEnded("finished", 3, 3.0, "runs/x", None, 3))
    assert len(displays) == 1
    assert all(shown.startswith("<svg ") for shown in displays[0].shown)
    assert displays[0].shown[-1] == curves_svg([epoch(number).to_dict() for number in (1, 2, 3)])


def test_it_is_not_redrawn_for_every_epoch_of_a_quick_run(displays: list[Handle]) -> None:
    listener = Notebook(interval=1000.0)
    for number in range(1, 50):
        listener(epoch(number))
    assert len(displays[0].shown) == 1
    listener(RunEnded("finished", 49, 3.0, "runs/x", None, 3))
    assert displays[0].shown[-1] == curves_svg([epoch(number).to_dict() for number in range(1, 50)])


def test_a_run_that_ended_before_its_first_epoch_draws_nothing(displays: list[Handle]) -> None:
    Notebook()(RunEnded("interrupted", 0, 1.0, "runs/x", None, None))
    assert displays == []


@pytest.mark.parametrize(
    ("shell", "kind"), [("ZMQInteractiveShell", Notebook), ("TerminalInteractiveShell", Terminal)]
)
def test_a_notebooks_kernel_gets_the_figure_and_a_shell_the_rows(
    monkeypatch: pytest.MonkeyPatch, shell: str, kind: type
) -> None:
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: type(shell, (), {})()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert isinstance(default_listeners()[0], kind)


def test_without_ipython_there_are_rows() -> None:
    assert isinstance(default_listeners()[0], Terminal)

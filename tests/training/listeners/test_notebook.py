"""The notebook's picture: one output, updated in place, whose last state holds every epoch."""

from __future__ import annotations

import sys
import types
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from convnets.training.events import (
    EpochEnded,
    EpochStarted,
    Evaluated,
    KernelsChosen,
    Notice,
    RunEnded,
    RunStarted,
    StepEnded,
)
from convnets.training.listeners.choose import default_listeners
from convnets.training.listeners.notebook import Notebook
from convnets.training.listeners.terminal import Terminal


class Notebooks:
    """Stands in for IPython: what was shown, and what happens when a cell ends."""

    def __init__(self) -> None:
        self.outputs: list[list[dict[str, str]]] = []
        self.callbacks: list[Callable[..., None]] = []
        self.events = self

    def register(self, name: str, callback: Callable[..., None]) -> None:
        assert name == "post_run_cell"
        self.callbacks.append(callback)

    def unregister(self, name: str, callback: Callable[..., None]) -> None:
        self.callbacks.remove(callback)

    def display(self, content: dict[str, str], raw: bool, display_id: bool) -> Any:
        assert raw
        assert display_id
        self.outputs.append([content])
        return types.SimpleNamespace(update=lambda content, raw: self.outputs[-1].append(content))

    def end_cell(self) -> None:
        for callback in list(self.callbacks):
            callback(None)

    @property
    def picture(self) -> str:
        """What is to be seen now, with the numbers of its lines' points."""
        assert len(self.outputs) == 1
        return self.outputs[0][-1]["image/svg+xml"]


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebooks:
    shell = type("ZMQInteractiveShell", (Notebooks,), {})()
    package, module = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    package.version_info, package.get_ipython = (9, 0), lambda: shell  # type: ignore[attr-defined]
    module.display = shell.display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return shell


def epoch(number: int) -> EpochEnded:
    return EpochEnded(number, 0.1, 1 / number, 0.5, 1.0, 0.5, 100.0, 90.0, 1.0, best=True)


def started(epochs: int = 3, name: str = "net") -> RunStarted:
    return RunStarted("runs/x", name, "bars", 10, (1, 8, 8), 90, 10, 5760, "cpu", epochs, 0)


def markers(picture: str) -> int:
    """Points drawn on the curves."""
    return picture.count("<circle")


def test_one_output_is_updated_in_place_and_ends_complete(notebook: Notebooks) -> None:
    listener = Notebook(interval=0.0)
    listener(started())
    for number in (1, 2, 3):
        listener(EpochStarted(number, 9))
        listener(epoch(number))
    listener(Evaluated(0.875, 0.25, 50))
    listener(RunEnded("finished", 3, 3.0, "runs/x", None, 2))
    assert len(notebook.outputs) == 1
    for content in notebook.outputs[0]:
        ET.fromstring(content["image/svg+xml"])
    assert markers(_curves(3)) == markers(_curves(2)) + 4  # two measures of two parts
    assert markers(notebook.picture) == markers(_curves(3))
    assert "test accuracy 0.8750, loss 0.2500 · finished after 3 epochs, 3.0 s, best weights: epoch 2" in (
        notebook.picture
    )
    assert notebook.outputs[0][-1]["text/plain"].startswith("net on bars: test accuracy 0.8750")


def _curves(epochs: int) -> str:
    from convnets.evaluation.plots.figures import curves_svg

    return curves_svg([epoch(number).to_dict() for number in range(1, epochs + 1)])


def test_it_shows_at_once_what_is_going_on(notebook: Notebooks) -> None:
    listener = Notebook(interval=0.0)
    listener(started())
    assert "3 epochs; preparing the first step" in notebook.picture
    assert "10 parameters · input 1×8×8 · 90 training images, 10 validation images" in notebook.picture
    listener(EpochStarted(1, 10))
    listener(StepEnded(1, 4, 10, 2.25, 1234.0))
    notebook.end_cell()  # so as not to depend on how long drawing takes
    assert "epoch 1/3 · step 4/10 · loss 2.2500 · 1,234 images/s" in notebook.picture


def test_a_table_has_rows_and_its_numbers_r2(notebook: Notebooks) -> None:
    listener = Notebook(interval=0.0)
    listener(replace(started(), input_shape=(13,), objective="numbers", examples="rows"))
    assert "10 parameters · input 13 · 90 training rows, 10 validation rows" in notebook.picture
    assert "accuracy means R²" in notebook.picture
    assert "Recall@1" not in notebook.picture


def test_what_measuring_took_takes_the_place_of_its_announcement(notebook: Notebooks) -> None:
    listener = Notebook(interval=0.0)
    listener(started())
    listener(Notice("measuring convolution kernels for this network on this machine, once: some seconds"))
    assert "note: measuring" in notebook.picture
    choices = [{"kernel": name} for name in ("onednn", "product", "onednn")]
    listener(KernelsChosen(True, None, 4, 10, 10, 11.5, choices))
    notebook.end_cell()
    assert "note: measuring" not in notebook.picture
    assert "note: kernels of 10 convolution shapes measured in 11.5 s" in notebook.picture


def test_it_is_not_redrawn_for_every_epoch_of_a_quick_run(notebook: Notebooks) -> None:
    listener = Notebook(interval=1000.0)
    listener(started(50))
    for number in range(1, 50):
        listener(epoch(number))
    assert len(notebook.outputs[0]) == 1
    notebook.end_cell()  # as after an error: what waited is drawn
    assert len(notebook.outputs[0]) == 2
    assert notebook.callbacks == []
    listener(RunEnded("finished", 49, 3.0, "runs/x", None, 3))
    assert len(notebook.outputs[0]) == 3


def test_names_and_notes_may_hold_anything(notebook: Notebooks) -> None:
    listener = Notebook(interval=0.0)
    listener(started(name="<script>$x_1$&\x00" + "w" * 200))
    for number in range(12):
        listener(Notice(f"{number} <b>" + " long" * 40))
    listener(Notice("0 <b>" + " long" * 40))  # said before
    listener(RunEnded("interrupted", 0, 1.0, "runs/x", None, None))
    root = ET.fromstring(notebook.picture)
    texts = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0].startswith("<script>$x_1$&\ufffdwww")
    assert all(len(text) <= 118 for text in texts)
    assert texts[-1] == "… and 5 notes more"
    assert notebook.picture.count("note: 0 ") == 1


def test_a_picture_that_cannot_be_drawn_gives_way_to_rows(
    notebook: Notebooks, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listener = Notebook(interval=0.0)
    listener(started())
    monkeypatch.setattr("convnets.training.listeners.notebook.curves_svg", lambda rows: 1 / 0)
    with pytest.warns(UserWarning, match=r"cannot be drawn \(ZeroDivisionError: division by zero\)"):
        listener(epoch(1))
    listener(epoch(2))
    listener(RunEnded("finished", 2, 3.0, "runs/x", None, 2))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if "/3 " in line] == ["1/3", "2/3"]
    assert "finished after 2 epochs" in lines[-1]
    assert sum(line.startswith("net: 10 parameters") for line in lines) == 1


@pytest.mark.parametrize(
    ("shell", "kind"), [("ZMQInteractiveShell", Notebook), ("TerminalInteractiveShell", Terminal)]
)
def test_a_notebooks_kernel_gets_the_picture_and_a_shell_the_rows(
    monkeypatch: pytest.MonkeyPatch, shell: str, kind: type
) -> None:
    ipython = types.ModuleType("IPython")
    colab = type("Shell", (type(shell, (), {}),), {})  # as Colab's, a subclass
    ipython.get_ipython = lambda: colab()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert isinstance(default_listeners()[0], kind)


def test_without_ipython_there_are_rows() -> None:
    assert isinstance(default_listeners()[0], Terminal)

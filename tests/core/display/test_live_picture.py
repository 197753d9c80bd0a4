"""Live pictures in a real kernel: each cell shows one figure, whose updates arrive in place and whose last is whole."""

from __future__ import annotations

import re
import sys
import types
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = {
    "set up": """
        import os, signal, warnings
        import torch
        from torch import nn
        import convnets
        from convnets import ImageSet, TrainConfig, d2l
        torch.set_num_threads(1)
        torch.manual_seed(0)
        pixels = torch.randint(256, (120, 1, 8, 8), dtype=torch.uint8)
        pixels[:60, :, :4] //= 4
        images = ImageSet(pixels, torch.tensor([0, 1]).repeat_interleave(60), ("low", "high"), "halves")
        batches = [(pixels[i::6].float() / 255, images.labels[i::6]) for i in range(6)]
        def network():
            return nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
        class InterruptAt:
            def __init__(self, count):
                self.count = count
            def __call__(self, batch):
                self.count -= 1
                if self.count == 0:
                    os.kill(os.getpid(), signal.SIGINT)
                return batch
        """,
    "train": "run = convnets.train(network(), images, TrainConfig(epochs=4, batch_size=20), output=folder)",
    "train_ch3": """
        net = network()
        updater = torch.optim.SGD(net.parameters(), lr=0.1)
        d2l.train_ch3(net, batches, batches, nn.CrossEntropyLoss(reduction="none"), 4, updater)
        """,
    "train_ch6": "net = network()\nd2l.train_ch6(net, batches, batches, 4, 0.1, d2l.cpu())",
    "train_ch13": """
        trainer = torch.optim.SGD(net.parameters(), lr=0.1)
        d2l.train_ch13(net, batches, batches, nn.CrossEntropyLoss(reduction="none"), trainer, 4, [d2l.cpu()])
        """,
    "Trainer": """
        class Data(d2l.DataModule):
            def get_dataloader(self, train):
                return batches
        class Softmax(d2l.Classifier):
            def __init__(self, lr):
                super().__init__()
                self.save_hyperparameters()
                self.net = nn.Sequential(nn.Flatten(), nn.LazyLinear(2))
        model = Softmax(lr=0.1)
        d2l.Trainer(max_epochs=4).fit(model, Data())
        """,
    "own loop": """
        animator = d2l.Animator(xlabel="step", legend=["a", "b"])
        for step in range(57):
            animator.add(step, (step % 7, step % 5))
        """,
    "own loop that fails": """
        animator = d2l.Animator(xlabel="step")
        for step in range(43):
            animator.add(step, step % 7)
        raise RuntimeError("after 43 points")
        """,
    "drawing fails": """
        animator = d2l.Animator(xlabel="step")
        animator.fig.savefig = None
        for step in range(5):
            animator.add(step, step)
        print(len(animator.X[0]), "points")
        """,
    "train, interrupted": """
        stopped = convnets.train(
            network(), images, TrainConfig(epochs=500, batch_size=20), output=folder, augment=[InterruptAt(23)]
        )
        """,
    "go on": """
        from convnets.checkpoints.model_folder import load_model
        print(stopped.status, load_model(stopped.model_folder, network=network()))
        """,
    "train_ch6, interrupted": """
        interrupt = InterruptAt(21)
        class Batches:
            def __len__(self):
                return len(batches)
            def __iter__(self):
                return (interrupt(batch) for batch in batches)
        net = network()
        d2l.train_ch6(net, Batches(), batches, 500, 0.1, d2l.cpu())
        """,
    "the kernel lives": "print(d2l.evaluate_accuracy(net, batches) > 0.5)",
    "plot": "d2l.plot([1, 2, 3], [1, 4, 9], 'x', 'y')",
    "objects": "from IPython.display import display\nfor each in (images, run, run.config):\n    display(each)",
}


@dataclass
class Cell:
    outputs: list[Any]
    messages: Counter[str]

    @property
    def printed(self) -> str:
        return "".join(each.text for each in self.outputs if each.output_type == "stream")

    @property
    def picture(self) -> str:
        shown = [each for each in self.outputs if each.output_type == "display_data"]
        assert len(shown) == 1
        svg = shown[0].data["image/svg+xml"]
        return str(svg[svg.index("<svg") :])


class Client(NotebookClient):  # type: ignore[misc]
    """Counts the messages of each cell, some of which leave no trace in the notebook."""

    heard: dict[int, Counter[str]]

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        self.heard.setdefault(cell_index, Counter())[msg["msg_type"]] += 1
        return super().process_message(msg, cell, cell_index)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory, warm_python: Any) -> dict[str, Cell]:
    """All cells after one kernel ran them and the notebook was saved and opened again."""
    folder = tmp_path_factory.mktemp("notebook")
    sources = {name: "\n".join(_dedented(source)) for name, source in CELLS.items()}
    sources["set up"] += f"\nfolder = {str(folder)!r}"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources.values()])
    client = Client(book, timeout=240, allow_errors=True, resources={"metadata": {"path": str(folder)}})
    client.heard = {}
    with warnings.catch_warnings(), warm_python.kernels():
        warnings.simplefilter("ignore")  # the client's own
        client.execute()
    nbformat.write(book, folder / "saved.ipynb")
    saved = nbformat.read(folder / "saved.ipynb", as_version=4)
    return {
        name: Cell(cell.outputs, client.heard.get(index, Counter()))
        for index, (name, cell) in enumerate(zip(CELLS, saved.cells, strict=True))
    }


def _dedented(source: str) -> list[str]:
    import textwrap

    return textwrap.dedent(source).strip().splitlines()


def lines_of(svg: str) -> list[list[float]]:
    """The places along x of the points of each line in a d2l figure; grid lines have two points."""
    paths = re.findall(r'<path d="([^"]*)" clip-path', svg)
    lines = [[float(x) for x in re.findall(r"[ML] (\S+)", path)] for path in paths]
    return [line for line in lines if len(line) > 2]


@pytest.mark.parametrize("name", ["train_ch3", "train_ch6", "train_ch13", "Trainer", "own loop"])
def test_the_books_figures_are_one_output_that_is_updated(cells: dict[str, Cell], name: str) -> None:
    cell = cells[name]
    assert cell.messages["display_data"] == 1
    assert cell.messages["update_display_data"] >= 1
    assert cell.messages["error"] == 0


def test_the_last_point_is_there(cells: dict[str, Cell]) -> None:
    assert [len(line) for line in lines_of(cells["own loop"].picture)] == [57, 57]
    assert [len(line) for line in lines_of(cells["Trainer"].picture)] == [8, 4, 4]
    for name in ("train_ch6", "train_ch13"):
        lines = lines_of(cells[name].picture)
        assert len(lines) == 3
        assert len(lines[2]) == 4  # an accuracy of the test after each epoch
        assert {line[-1] for line in lines} == {lines[2][-1]}  # all reach the last epoch
        assert len({step for line in lines for step in line}) > 15


def test_the_books_lines_are_printed_once(cells: dict[str, Cell]) -> None:
    lines = cells["train_ch6"].printed.splitlines()
    assert lines[0] == "training on cpu"
    assert re.fullmatch(r"loss \d\.\d{3}, train acc [01]\.\d{3}, test acc [01]\.\d{3}", lines[1])
    assert re.fullmatch(r"\d+\.\d examples/sec on cpu", lines[2])
    assert len(lines) == 3
    assert cells["train_ch3"].printed == ""


def test_train_shows_one_picture_and_prints_nothing(cells: dict[str, Cell]) -> None:
    cell = cells["train"]
    assert cell.messages["display_data"] == 1
    assert cell.messages["update_display_data"] >= 1
    assert "finished after 4 epochs" in cell.picture
    assert cell.picture.count("<circle") >= 4 * 4  # epochs, of two measures of two parts
    assert [each.output_type for each in cell.outputs] == ["display_data"]
    assert "Sequential on halves: " in cell.outputs[0].data["text/plain"]


def test_a_cell_that_fails_leaves_the_last_point(cells: dict[str, Cell]) -> None:
    cell = cells["own loop that fails"]
    assert cell.outputs[-1].ename == "RuntimeError"
    assert [len(line) for line in lines_of(cell.picture)] == [43]


def test_a_figure_that_cannot_be_drawn_stops_nothing(cells: dict[str, Cell]) -> None:
    cell = cells["drawing fails"]
    assert "5 points\n" in cell.printed
    assert cell.printed.count("the live picture is left as it is") == 1
    assert cell.messages["error"] == 0


def test_interrupted_training_leaves_a_usable_run(cells: dict[str, Cell]) -> None:
    cell = cells["train, interrupted"]
    assert cell.messages["error"] == 0
    assert "interrupted after" in cell.picture
    assert "the run is usable as it is" in cell.picture
    assert re.match(r"interrupted TrainedModel\(Sequential: 1×8×8 → 2 classes\)", cells["go on"].printed)


def test_interrupted_listing_leaves_network_and_figure(cells: dict[str, Cell]) -> None:
    cell = cells["train_ch6, interrupted"]
    assert cell.outputs[-1].ename == "KeyboardInterrupt"
    assert lines_of(cell.picture) == [] or all(len(line) <= 20 for line in lines_of(cell.picture))
    assert cell.picture.count('id="line2d') > 0
    assert cells["the kernel lives"].printed == "True\n"


def test_other_outputs_are_as_they_were(cells: dict[str, Cell]) -> None:
    assert [len(line) for line in lines_of(cells["plot"].picture)] == [3]
    kinds = [set(each.data) for each in cells["objects"].outputs]
    assert kinds == [{"text/html", "text/plain"}] * 3
    assert all("\n" not in each.data["text/plain"] for each in cells["objects"].outputs)


def test_nothing_is_drawn_outside_of_a_notebook(tmp_path: Path) -> None:
    from convnets.core.display.live_picture import LivePicture

    def draw() -> tuple[str, str]:
        raise AssertionError

    picture = LivePicture(draw)
    picture.update()
    picture.update(last=True)
    assert picture.failure is None


def test_drawing_takes_a_twentieth_of_the_time_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a made-up clock: a picture that takes a second to draw, asked for every tenth of a second for 200 seconds."""
    from convnets.core.display import live_picture

    clock, drawn, shell = [0.0], [0.0], type("ZMQInteractiveShell", (), {})()
    registered: list[Any] = []
    shell.events = types.SimpleNamespace(
        register=lambda _, callback: registered.append(callback),
        unregister=lambda _, callback: registered.remove(callback),
    )
    handle = types.SimpleNamespace(update=lambda content, raw: None)
    display = types.SimpleNamespace(display=lambda content, raw, display_id: handle)
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr(live_picture, "time", types.SimpleNamespace(monotonic=lambda: clock[0]))

    def draw() -> tuple[str, str]:
        clock[0] += 1
        drawn[0] += 1
        return "<svg/>", "a picture"

    picture = live_picture.LivePicture(draw, interval=0.25)
    while clock[0] < 200:
        picture.update()
        clock[0] += 0.1
    assert 8 <= drawn[0] <= 2 + 200 / 20
    assert len(registered) == 1
    registered[0](None)
    assert registered == []
    assert picture.failure is None

"""The notebooks run from top to bottom with a real kernel and show what their text says, in both languages."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def load_module() -> ModuleType:
    """scripts/saved_notebooks.py, which makes what is tested here."""
    found = importlib.util.spec_from_file_location("saved_notebooks", ROOT / "scripts" / "saved_notebooks.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


notebooks = load_module()


@dataclass(frozen=True)
class Shown:
    """What a notebook must show at any size."""

    pictures: int
    """At least so many pictures."""
    texts: tuple[str, ...]
    """What stands somewhere in its outputs."""
    data: str | None = "fashion_mnist_root"
    """The fixture of the data that it needs."""


EXPECTED: dict[str, Shown] = {
    "alexnet": Shown(
        5,
        (
            "46,764,746",
            "938,146,176",
            "Linear: 92.0% of the weights",
            "evaluation mode: logits differ by up to 0.00000",
        ),
    ),
    "augmentation": Shown(
        5, ("mirror left and right", "flip, crop:2, erasing", "sixes taken for nines", "2 views: 0.")
    ),
    "batch_norm": Shown(
        4,
        (
            "gradients of the images  True",
            "gradients of γ and β     True True",
            "moving mean, variance    True True",
            "outputs in prediction    True",
            "replaced: convolutions.1, convolutions.5, hidden.2, hidden.5",
        ),
    ),
    "densenet": Shown(
        4,
        (
            "(4, 3, 8, 8) → (4, 23, 8, 8)",
            "(4, 23, 8, 8) → (4, 10, 4, 4)",
            "758,226",
            "129,077,168",
            "growth 64: 320 channels out, 370,176 parameters",
        ),
    ),
    "fine_tuning": Shown(
        4,
        (
            "target: Sandal, Sneaker, Ankle boot",
            "new: classifier.weight classifier.bias",
            "fine-tuned, backbone at a tenth",
            "28 of 30 tensors as they were",
        ),
    ),
    "googlenet": Shown(
        5,
        (
            "Inception 3a   163,696 weights, 128,049,152 MACs",
            "conv 3×3       442,624 weights, 346,816,512 MACs",
            "conv 5×5     1,229,056 weights, 963,379,200 MACs",
            "5,977,530 parameters",
            "276,066,304 MACs",
        ),
    ),
    "lenet": Shown(
        7,
        (
            "61,706",
            "416,520",
            "Conv2d:  4.2% of the weights, 85.9% of the work",
            "convolutions.5: 16×16 pixels",
        ),
    ),
    "nin": Shown(
        2, ("1,992,166", "762,297,352", "equal: True", "4.3% of AlexNet's weights", "class maps: (10, 4, 4)")
    ),
    "own_folder": Shown(
        4,
        (
            "broken.jpg",
            "problems left: []",
            "pictures were put into a wrong folder",
            "the bags that are most like this sandal",
        ),
    ),
    "resnet": Shown(
        8, ("same shape:           (4, 3, 6, 6)", "half:  (4, 6, 3, 3)", "11,178,378", "318,657,536")
    ),
    "transfer": Shown(4, ("old: ", "random, frozen", "fine-tuned", "precision")),
    "vanishing_gradients": Shown(
        3, ("the gradient vanishes", "changed at all: 0 of 4096", "sigmoid, skip connections"), None
    ),
    "vgg": Shown(
        5,
        (
            "43,093,322",
            "512,155,648",
            "2 × 3×3: sees 5×5",
            "3 × 3×3: sees 7×7",
            "vgg16: convolutions [2, 2, 3, 3, 3], 138,357,544 weights",
        ),
    ),
    "what_learned": Shown(
        4,
        (
            "taken for a dress because of the square",
            "in the square",
            "when the network's weights are randomized (rank correlation",
            "integrated-gradients: why Dress",
        ),
    ),
    "week1_tables": Shown(
        5,
        (
            "by hand as by the library: True",
            "column 'number' counts the rows: left out",
            "heating=(missing)",
            "R² with missing as a category: 0.",
            "in 2 dimensions the farthest is 72 times as far as the nearest",
        ),
        None,
    ),
    "week2_regression": Shown(
        6,
        (
            "fit_linear and least squares give the same answers: True",
            "2 / largest curvature = 0.505",
            "linear is better than mean",
            "all 100 higher  [0.705 0.259 0.035]",
            "most frequent class",
            "always the same class: 0.100",
        ),
    ),
    "week3_perceptron_mlp": Shown(
        7,
        (
            "8 mistakes; there can be at most 225",
            "perceptron, 399 mistakes in 100 passes",
            "MLP, step 0",
            "smallest training error: degree 14",
            "smallest test error: degree 3",
            "4σ(x) − 2        0.000   1.000  -0.083",
        ),
        None,
    ),
    "week4_choosing": Shown(
        6,
        (
            "the best of 200 by validation: 0.62; the same model on test rows: 0.49",
            "column 'Id' counts the rows: left out",
            "softmax as in the formula:    [nan, nan, 0.0]",
            "kaiming-normal               1.39e+00   2.00e+00",
            "log-RMSE on jumps.csv",
            "mlp less gradient boosting",
        ),
        None,
    ),
}


def test_every_notebook_is_expected_and_has_its_twin() -> None:
    assert notebooks.names() == sorted(EXPECTED)
    assert notebooks.names() == sorted(path.stem for path in (ROOT / "examples" / "zh").glob("*.ipynb"))


@pytest.mark.parametrize(("page", "folder"), [("README.md", ""), ("README.zh-CN.md", "zh/")])
def test_the_table_names_every_notebook(page: str, folder: str) -> None:
    links = re.findall(r"\((\S+)\.ipynb\)", (ROOT / "examples" / page).read_text("utf-8"))
    assert sorted(links) == [folder + name for name in notebooks.names()]


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_both_languages_hold_the_same_code_and_what_it_showed(name: str) -> None:
    english, chinese = notebooks.read(name), notebooks.read(name, "zh")
    assert [cell.cell_type for cell in english.cells] == [cell.cell_type for cell in chinese.cells]
    assert [cell.id for cell in english.cells] == [cell.id for cell in chinese.cells]
    assert notebooks.code_cells(english) == notebooks.code_cells(chinese)
    assert english.metadata == chinese.metadata
    for ours, theirs in zip(english.cells, chinese.cells, strict=True):
        if ours.cell_type == "markdown":
            assert level(ours.source) == level(theirs.source)
            assert ours.source != theirs.source
            assert any("\u4e00" <= character <= "\u9fff" for character in theirs.source)
            assert not any("\u4e00" <= character <= "\u9fff" for character in ours.source)
    assert level(english.cells[0].source) == 1


def level(markdown: str) -> int:
    """1 for a heading, 2 for a heading below it …, 0 for plain text."""
    return len(markdown) - len(markdown.lstrip("#"))


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_saved_notebook_is_clean_small_and_has_been_run(name: str) -> None:
    for language, folder in (("en", "examples"), ("zh", "examples/zh")):
        notebook = notebooks.read(name, language)
        assert (ROOT / folder / f"{name}.ipynb").stat().st_size <= 400_000
        assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
        assert set(notebook.metadata) == {"convnets", "kernelspec", "language_info"}
        cells = notebooks.code_cells(notebook)
        assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
        assert sum("parameters" in cell.metadata.get("tags", ()) for cell in cells) == 1
        check_outputs(notebook, EXPECTED[name])


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_it_runs_from_top_to_bottom_at_small_size(
    name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, warm_python: Any
) -> None:
    expected = EXPECTED[name]
    monkeypatch.setenv("CONVNETS_TUNE", "0")  # trying kernels pays for longer runs
    if expected.data is not None:
        request.getfixturevalue(expected.data)
    with warm_python.kernels():
        notebook = notebooks.executed(notebooks.read(name), small=True)
    check_outputs(notebook, expected)


def check_outputs(notebook: object, expected: Shown) -> None:
    assert notebooks.faults(notebook) == []
    assert notebooks.pictures(notebook) >= expected.pictures
    everything = "\n".join(notebooks.texts(notebook))
    for text in expected.texts:
        assert text in everything


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("import warnings; warnings.warn('late')", "UserWarning: late"),
        ("import sys; print('x', file=sys.stderr)", "written to stderr: x"),
        ("print('read', '/home/me/a.png')", "read /home/me/a.png"),
        ("from pathlib import Path; Path('/usr/lib/x')", "PosixPath('/usr/lib/x')"),
    ],
)
def test_what_must_not_be_saved_is_found(code: str, fault: str) -> None:
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    assert any(fault in found for found in notebooks.faults(notebooks.executed(notebook)))


def test_small_code_runs_after_the_parameters_and_is_not_kept() -> None:
    import nbformat

    cells = [
        nbformat.v4.new_code_cell("images = 1000", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("images"),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"convnets": {"small": "images = 7"}})
    assert notebooks.texts(notebooks.executed(notebook)) == ["1000"]
    small = notebooks.executed(notebook, small=True)
    assert notebooks.texts(small) == ["7"]
    assert len(small.cells) == 2

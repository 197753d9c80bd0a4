"""The notebooks run from top to bottom with a real kernel and show what their text says, in both languages."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

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


EXPECTED: dict[str, Shown] = {}


def test_every_notebook_is_expected_and_has_its_twin() -> None:
    assert notebooks.names() == sorted(EXPECTED)
    assert notebooks.names() == sorted(path.stem for path in (ROOT / "examples" / "zh").glob("*.ipynb"))


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
def test_it_runs_from_top_to_bottom_at_small_size(name: str, request: pytest.FixtureRequest) -> None:
    expected = EXPECTED[name]
    if expected.data is not None:
        request.getfixturevalue(expected.data)
    check_outputs(notebooks.executed(notebooks.read(name), small=True), expected)


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

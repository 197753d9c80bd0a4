"""The house stands: floors import downwards only, and a library import costs nothing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
MOST_LINES, USUAL_LINES, USUAL_SHARE = 320, 250, 19 / 20
MOST_LINES_OF_A_BODY, MEDIAN_OF_A_BODY = 60, 10
MOST_MODULES = 15


def test_floors_import_only_from_below() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    found = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    "command", ["import convnets", "from convnets.cli import main", "import convnets.models.catalogue"]
)
def test_starting_up_imports_nothing_heavy(command: str) -> None:
    heavy = ("torch", "numpy", "matplotlib", "sklearn", "PIL")
    code = f"import sys; {command}; print([name for name in {heavy!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_a_file_is_a_room_with_a_noun_that_one_can_read(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= MOST_LINES
    assert path.stem not in {"utils", "util", "helpers", "helper", "common", "misc"}
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    for name, lines in bodies(tree):
        assert lines <= MOST_LINES_OF_A_BODY, f"{name} is too long"


def bodies(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Each function with the lines of its body, signature and docstring left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            last = node.end_lineno
            assert last is not None
            yield node.name, last - body[0].lineno + 1 if body else 0


def test_files_and_functions_are_short_as_a_rule() -> None:
    texts = [path.read_text() for path in SOURCES]
    usual = sum(text.count("\n") <= USUAL_LINES for text in texts)
    assert usual >= USUAL_SHARE * len(texts)
    assert median(lines for text in texts for _, lines in bodies(ast.parse(text))) < MEDIAN_OF_A_BODY


def test_limits_stated_are_the_limits_tested() -> None:
    stated = " ".join((ROOT / "CONTRIBUTING.md").read_text("utf-8").split())
    assert f"at most {MOST_LINES} lines, 19 of 20 at most {USUAL_LINES}." in stated
    assert f"body has at most {MOST_LINES_OF_A_BODY} lines" in stated
    assert f"the median is under {MEDIAN_OF_A_BODY}." in stated
    assert MOST_MODULES == 15
    assert "No folder has more than fifteen modules" in stated


def test_no_folder_has_more_modules_than_one_can_take_in() -> None:
    found = Counter(path.parent for path in SOURCES if path.name != "__init__.py")
    full = {str(folder.relative_to(ROOT)): n for folder, n in found.items() if n > MOST_MODULES}
    assert full == {}, "give them sub-rooms"


def test_every_folder_says_what_is_in_it() -> None:
    for folder in {path.parent for path in SOURCES} - {ROOT / "src"}:
        assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text())), folder


def imports() -> dict[str, set[str]]:
    """Module → modules of the package that its file imports, anywhere in it, also for type checking alone."""
    names = {".".join(path.relative_to(ROOT / "src").with_suffix("").parts): path for path in SOURCES}
    names = {name.removesuffix(".__init__"): path for name, path in names.items()}
    found: dict[str, set[str]] = {name: set() for name in names}
    for name, path in names.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module in names:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                found[name] |= (inner & names.keys()) or {node.module}
            elif isinstance(node, ast.Import):
                found[name] |= {alias.name for alias in node.names} & names.keys()
    return found


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = imports()
    assert len(graph) == len(SOURCES)
    assert "convnets.core.seeds" in graph["convnets.training.learner"]  # that imports are found at all
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_the_sub_rooms_stand_in_the_contract_and_the_table_is_its_own() -> None:
    found = subprocess.run(
        [sys.executable, "scripts/house.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    listed = {
        f"{contract['containers'][0]}.{name.strip()}"
        for contract in contracts
        for layer in contract["layers"]
        for name in layer.split("|")
    }
    rooms = {
        ".".join(path.parent.relative_to(ROOT / "src").parts)
        for path in SOURCES
        if path.name == "__init__.py"
    }
    assert rooms - listed == {"convnets"}


def test_the_files_to_open_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("## I want to", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 15
    for _, files, tests in rows:
        for root, cell in (("src/convnets", files), ("tests", tests)):
            paths = re.findall(r"`([^`]+)`", cell)
            assert paths
            for path in paths:
                assert (ROOT / root / path).is_file(), path

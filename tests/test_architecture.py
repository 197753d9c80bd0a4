"""The house stands: floors import downwards only, and a library import costs nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))


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
    assert text.count("\n") <= 320
    assert path.stem not in {"utils", "util", "helpers", "helper", "common", "misc"}
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 90, f"{node.name} is too long"

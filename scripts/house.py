"""The house as the contract in pyproject.toml has it: a table for CONTRIBUTING.md, an order for each room's __init__.

Usage: python scripts/house.py [--check]   writes both; with --check says what is not current and ends with 1
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "convnets"
_BEGIN, _END = "<!-- the house: written by scripts/house.py -->", "<!-- end of the house -->"


def orders() -> dict[str, list[list[str]]]:
    """Container ("" is the whole package) → its layers, highest first, each with its siblings."""
    content = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return {
        contract["containers"][0].removeprefix("convnets").removeprefix("."): [
            [name.strip() for name in layer.split("|")] for layer in contract["layers"]
        ]
        for contract in content["tool"]["importlinter"]["contracts"]
    }


def summary(room: str) -> str:
    """The first sentence of a room's docstring."""
    path = PACKAGE / room / "__init__.py"
    source = path if path.exists() else PACKAGE / f"{room}.py"
    return (ast.get_docstring(ast.parse(source.read_text("utf-8"))) or "").partition("\n")[0]


def table() -> str:
    """Floors, rooms, what is in them, and their sub-rooms, highest first."""
    house = orders()
    rows = ["| floor | room | what is in it | sub-rooms, highest first |", "|---|---|---|---|"]
    for above, layer in enumerate(house[""]):
        for room in layer:
            is_folder = (PACKAGE / room).is_dir()
            inside = [
                name for names in house.get(room, []) for name in names if (PACKAGE / room / name).is_dir()
            ]
            name = f"`{room}/`" if is_folder else f"`{room}.py`"
            shown = ", ".join(f"`{each}`" for each in inside)
            rows.append(f"| {len(house['']) - 1 - above} | {name} | {summary(room)} | {shown} |")
    return "\n".join(rows)


def with_table(text: str) -> str:
    """CONTRIBUTING.md with the table between its marks."""
    before, _, rest = text.partition(_BEGIN)
    return f"{before}{_BEGIN}\n\n{table()}\n\n{_END}{rest.partition(_END)[2]}"


def with_order(text: str, layers: list[list[str]]) -> str:
    """A room's __init__ whose docstring ends with the order within."""
    lines = "\n".join(f"- {' · '.join(names)}" for names in layers)
    order = f"Order, highest first; each imports only from below:\n\n{_wrapped(lines)}\n"
    found = re.match(r'("""[^\n]*\n(?:(?!""")[^\n]*\n)*?)(?:\nOrder, highest first[^"]*)?("""\n)', text)
    assert found is not None
    return f"{found[1].rstrip()}\n\n{order}{found[2]}{text[found.end() :]}"


def _wrapped(lines: str) -> str:
    return "\n".join(textwrap.fill(line, 110, subsequent_indent="  ") for line in lines.splitlines())


def expected() -> dict[Path, str]:
    """Each file with what it should hold."""
    contributing = ROOT / "CONTRIBUTING.md"
    found = {contributing: with_table(contributing.read_text("utf-8"))}
    for container, layers in orders().items():
        if container and container != "d2l":  # whose docstring is for readers of the book
            path = PACKAGE.joinpath(*container.split(".")) / "__init__.py"
            found[path] = with_order(path.read_text("utf-8"), layers)
    return found


def main() -> None:
    """Write or check."""
    stale = [path for path, text in expected().items() if path.read_text("utf-8") != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not current; run: python scripts/house.py")
        sys.exit(bool(stale))
    for path, text in expected().items():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()

"""The notebooks of examples/: run with a real kernel, saved with what they show, and checked.

Each notebook has a Chinese twin in examples/zh with the same code cells and other text. The code is run once and both
get its outputs. A notebook names its sizes in one cell tagged `parameters`; `metadata["convnets"]["small"]` is code
that the tests run right after it.
"""

from __future__ import annotations

import argparse
import copy
import os
import platform
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

EXAMPLES = Path(__file__).parents[1] / "examples"
_PATHS = re.compile(
    r"(?<![\w.:/])/(?:home|root|tmp|usr|work|opt|var|mnt|private|Users|content)/|file://|[A-Z]:\\Users"
)


def names() -> list[str]:
    """Every notebook, in alphabetical order."""
    return sorted(path.stem for path in EXAMPLES.glob("*.ipynb"))


def read(name: str, language: str = "en") -> NotebookNode:
    """A notebook in `en` or `zh`."""
    folder = EXAMPLES if language == "en" else EXAMPLES / language
    return nbformat.read(folder / f"{name}.ipynb", as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that are run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def executed(notebook: NotebookNode, small: bool = False) -> NotebookNode:
    """A copy with what a new kernel shows; CellExecutionError where a cell fails.

    The kernel works in an empty folder and shares this process's environment.
    """
    notebook = copy.deepcopy(notebook)
    if small:
        position = 1 + next(
            index
            for index, cell in enumerate(notebook.cells)
            if "parameters" in cell.metadata.get("tags", ())
        )
        notebook.cells.insert(position, nbformat.v4.new_code_cell(notebook.metadata["convnets"]["small"]))
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=3600, kernel_name="python3", record_timing=False)
        client.execute(cwd=folder)
    if small:
        del notebook.cells[position]
    return notebook


def texts(notebook: NotebookNode) -> list[str]:
    """Every text that the cells show: printed lines, values, HTML, SVG."""
    found = []
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "stream":
                found.append(output.text)
            elif output.output_type == "error":
                found.append("\n".join(output.traceback))
            else:
                found += [text for kind, text in output.data.items() if not kind.endswith(("png", "jpeg"))]
    return found


def pictures(notebook: NotebookNode) -> int:
    """How many outputs are pictures: PNG, JPEG, SVG, or HTML with an SVG or image in it."""
    return sum(
        any(kind.startswith("image/") for kind in output.data)
        or bool(re.search(r"<svg|<img", output.data.get("text/html", "")))
        for cell in code_cells(notebook)
        for output in cell.outputs
        if output.output_type in ("display_data", "execute_result")
    )


def faults(notebook: NotebookNode) -> list[str]:
    """What must not stand in a saved output: errors, warnings, paths and names of a machine."""
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    found = [f"{output.ename}: {output.evalue}" for output in outputs if output.output_type == "error"]
    found += [
        f"written to stderr: {output.text}"
        for output in outputs
        if output.output_type == "stream" and output.name == "stderr"
    ]
    host = platform.node()
    for text in texts(notebook):
        shown = [
            line for line in text.splitlines() if re.search(r"\w*Warning: ", line) or _PATHS.search(line)
        ]
        if len(host) >= 6 and host in text:
            shown.append(f"the machine's name, {host}")
        found += shown
    return found


def run_and_save(name: str) -> None:
    """Run the English notebook, and save it and its twin with what it showed."""
    notebook = executed(read(name))
    wrong = faults(notebook)
    if wrong:
        raise SystemExit(f"{name} is not saved; its outputs hold: {' | '.join(wrong)[:2000]}")
    _plain(notebook)
    nbformat.write(notebook, EXAMPLES / f"{name}.ipynb")
    twin = read(name, "zh")
    for cell, shown in zip(code_cells(twin), code_cells(notebook), strict=True):
        cell.outputs, cell.execution_count = shown.outputs, shown.execution_count
    _plain(twin)
    nbformat.write(twin, EXAMPLES / "zh" / f"{name}.ipynb")


def _plain(notebook: NotebookNode) -> None:
    """Metadata that is the same on every machine."""
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata = NotebookNode({"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {})


def main() -> None:
    """Run the named notebooks, or all."""
    parser = argparse.ArgumentParser(description="Run the notebooks of examples/ and save what they show.")
    parser.add_argument("name", nargs="*", help="notebooks without .ipynb; all by default")
    parser.add_argument("--small", action="store_true", help="a trial at the tests' size; nothing is saved")
    given = parser.parse_args()
    unknown = [name for name in given.name if name not in names()]
    if unknown:
        parser.error(f"no notebook is named {unknown[0]!r}; allowed: {', '.join(names())}")
    if os.environ.get("CONVNETS_DATA"):  # the kernel works in another folder
        os.environ["CONVNETS_DATA"] = str(Path(os.environ["CONVNETS_DATA"]).resolve())
    for name in given.name or names():
        started = time.monotonic()
        if given.small:
            wrong = faults(executed(read(name), small=True))
            if wrong:
                raise SystemExit(f"{name}: its outputs hold: {' | '.join(wrong)[:2000]}")
        else:
            run_and_save(name)
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()

"""The notebook's table of gradients says what its text says."""

from __future__ import annotations

import json
import re
from pathlib import Path

NOTEBOOK = Path(__file__).parents[2] / "examples" / "vanishing_gradients.ipynb"


def test_only_plain_sigmoids_lose_the_gradient() -> None:
    cells = {cell["id"]: cell for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"]}
    table = "".join(cells["measure"]["outputs"][0]["text"])
    rows = {
        name: (float(first), float(last))
        for name, first, last in re.findall(r"^(.*\S) +(\d\.\de[+-]\d+) +(\d+\.\d+)$", table, re.MULTILINE)
    }
    assert len(rows) == 6
    for name, (first, last) in rows.items():
        if name in ("sigmoid", "sigmoid, Xavier weights"):
            assert 0 < first < 1e-10 * last
        else:
            assert first > 0.1 * last

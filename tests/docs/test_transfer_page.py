"""The table of docs/background/transfer.md is that of the runs beside it."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

PAGES = Path(__file__).parents[2] / "docs" / "background"


def test_its_table_is_that_of_the_runs() -> None:
    page = (PAGES / "transfer.md").read_text("utf-8")
    rows = json.loads((PAGES / "transfer.json").read_text("utf-8"))["runs"]
    for way in ("from scratch", "from trained weights"):
        cells = []
        for shots in (50, 200, 1000):
            each = [row["accuracy"] for row in rows if (row["way"], row["shots"]) == (way, shots)]
            assert len(each) == 5
            cells.append(f"{statistics.mean(each):.3f} ± {statistics.stdev(each):.3f}")
        assert f"| {way} | {' | '.join(cells)} |" in page

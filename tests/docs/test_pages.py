"""Every block of code on every page runs, or says why not; both languages show the same code."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import blocks_of, check_shown

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if ".zh." not in path.name)
"""In English; a page in Chinese lies beside its own as NAME.zh.md."""
TRANSLATED = [page for page in PAGES if page.startswith(("tutorials/", "how-to/", "index"))]


ELSEWHERE = {"how-to/d2l.md"}
"""Run by tests/d2l/test_names.py, where Fashion-MNIST is a small set."""
WITH_CODE = [
    page for page in PAGES if any(block.runs for block in blocks_of(DOCS / page)) and page not in ELSEWHERE
]


@pytest.mark.parametrize("page", WITH_CODE)
def test_its_blocks_run_from_top_to_bottom(page: str, run_blocks: Callable[[Path], dict[str, Any]]) -> None:
    run_blocks(DOCS / page)


def test_most_pages_have_code_that_runs() -> None:
    guides = [page for page in TRANSLATED if not page.endswith("index.md")]
    assert set(guides) - set(WITH_CODE) == ELSEWHERE | {
        "how-to/distributed.md",
        "how-to/gpu.md",
    }  # they say why


@pytest.mark.parametrize("page", TRANSLATED)
def test_both_languages_have_the_same_code_links_and_figures(page: str) -> None:
    english, chinese = ((DOCS / name).read_text("utf-8") for name in (page, page.replace(".md", ".zh.md")))
    assert blocks_of(DOCS / page) == blocks_of(DOCS / page.replace(".md", ".zh.md"))
    unblocked = [
        re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE) for text in (english, chinese)
    ]
    for pattern in (
        r"^#+ ",  # headings and their depth, in order
        r"^\|[-:| ]+\|$",  # tables and their columns
        r"\]\(([^)#]*)",  # where links and pictures lead
    ):
        mine, theirs = (re.findall(pattern, text, flags=re.MULTILINE) for text in unblocked)
        assert mine == [each.replace("examples/zh/", "examples/") for each in theirs], pattern
    spans = [set(re.findall(r"`([^`\n]+)`", text)) for text in unblocked]
    assert spans[0] == spans[1]
    figures = [sorted(re.findall(r"\d+(?:[.,]\d+)*", text)) for text in unblocked]
    assert figures[0] == figures[1]


def test_a_line_that_is_not_written_is_noticed() -> None:
    check_shown(["total …", "done"], "start\ntotal 17 images\nmore\ndone\n", "count")
    for shown in (["done", "total …"], ["total 18 …"], ["tot"]):
        with pytest.raises(AssertionError, match="did not write"):
            check_shown(shown, "total 17 images\ndone\n", "count")

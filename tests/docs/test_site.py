"""The site is built strictly, as `scripts/docs` does, and holds what it promises."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urldefrag

import pytest
import typer
from filelock import FileLock

import convnets

ROOT = Path(__file__).parents[2]


@dataclass
class Html(HTMLParser):
    """What a page of the site refers to, and what it can be referred to by."""

    path: Path
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    """Scripts, styles, fonts and pictures, which a browser fetches by itself."""
    anchors: set[str] = field(default_factory=set)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors.add(given.get("id", ""))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") in ("stylesheet", "icon", "preconnect"):
            self.loaded.append(given["href"])
        elif "src" in given:
            self.loaded.append(given["src"])

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; several processes of tests build it once."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "site"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            build(folder)
    return folder


def build(folder: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    settings = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT / "src")}
    ended = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
    if ended.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.fail(ended.stdout + ended.stderr)


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Html]:
    """Every page, by its file."""
    return {path: Html(path) for path in site.rglob("*.html")}


def test_the_script_builds_what_is_tested_here() -> None:
    script = (ROOT / "scripts" / "docs").read_text("utf-8")
    assert 'mkdocs" build --strict "$@"' in script  # and not --quiet, which makes MkDocs forget its warnings


def test_every_link_leads_to_a_page_and_every_anchor_to_a_place(site: Path, pages: dict[Path, Html]) -> None:
    checked = 0
    for page in pages.values():
        for link in page.links:
            address, anchor = urldefrag(link)
            if re.match(r"\w+:", address) or page.path.name == "404.html":
                continue
            target = (
                site / address[1:] if address.startswith("/") else page.path.parent / unquote(address)
            ).resolve()
            target = target / "index.html" if target.is_dir() else target
            assert target.exists(), f"{page.path.relative_to(site)}: {link}"
            assert not anchor or unquote(anchor) in pages[target].anchors, (
                f"{page.path.relative_to(site)}: {link}"
            )
            checked += 1
    assert checked > 1000


def test_nothing_is_fetched_from_the_net(pages: dict[Path, Html]) -> None:
    for page in pages.values():
        assert [each for each in page.loaded if re.match(r"(https?:)?//", each)] == [], page.path
    styles = [path.read_text("utf-8") for path in next(iter(pages)).parent.rglob("*.css")]
    assert not [style for style in styles if re.search(r"url\(['\"]?https?:", style)]


def test_every_page_is_there_in_both_languages(site: Path, pages: dict[Path, Html]) -> None:
    english = {path.relative_to(site) for path in pages} - {Path("404.html")}
    chinese = {path.relative_to(site / "zh") for path in pages if path.is_relative_to(site / "zh")}
    assert {path for path in english if path.parts[0] != "zh"} == chinese - {Path("404.html")}


@pytest.mark.parametrize("name", convnets.__all__)
def test_every_public_name_is_documented(name: str, site: Path, pages: dict[Path, Html]) -> None:
    value = getattr(convnets, name)
    assert inspect.getdoc(value), f"convnets.{name} has no docstring"
    own = {path: page for path, page in pages.items() if "zh" not in path.parts}
    if isinstance(value, ModuleType):  # all that it makes itself, and not what it passes on from PyTorch
        wanted = {
            each
            for each in value.__all__
            if "convnets." in str(getattr(getattr(value, each), "__module__", ""))
        }
        found = [
            path for path, page in own.items() if wanted <= {each.split(".")[-1] for each in page.anchors}
        ]
        assert len(wanted) > 10
    else:
        found = [path for path, page in own.items() if f"convnets.{name}" in page.anchors]
    assert len(found) == 1
    assert found[0].is_relative_to(site / "reference" / "python")


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, part in getattr(command, "commands", {}).items():
        yield from commands(part, f"{path} {name}")


def test_every_command_and_every_option_is_documented(site: Path) -> None:
    from convnets.cli.main import app

    page = Html(site / "reference" / "command-line" / "index.html")
    sections = {part.split("¶")[0]: part for part in page.text.split("\nconvnets ")}
    for path, command in commands(typer.main.get_command(app), "convnets"):
        if path == "convnets":
            continue
        section = sections[path.removeprefix("convnets ")]
        for option in command.params:
            if not option.hidden and option.name != "help" and option.param_type_name == "option":
                assert option.opts[-1] in section or option.opts[0] in section, f"{path} {option.opts}"
    assert "--learning-rate" in sections["train"]


def test_examples_in_docstrings_are_blocks_of_code(site: Path) -> None:
    page = (site / "reference" / "python" / "training" / "index.html").read_text("utf-8")
    assert page.count("language-pycon") == 4


def test_notebooks_show_their_text_code_and_outputs(site: Path) -> None:
    for folder, said in (
        (site, "jupyter lab examples/lenet.ipynb"),
        (site / "zh", "jupyter lab examples/zh/lenet.ipynb"),
    ):
        page = Html(folder / "tutorials" / "notebooks" / "lenet" / "index.html")
        assert said in page.text
        assert "61,706" in page.text  # printed by a cell
        assert sum(each.startswith("data:image/") for each in page.loaded) > 9

"""Pages of the site that nobody writes by hand: the command reference, and the notebooks as they were saved.

MkDocs loads this file as a hook (mkdocs.yml). Links in docs/ lead to files of the repository, so that they work where
the repository is read; here they are turned to the page that the site makes of such a file.
"""

from __future__ import annotations

import base64
import functools
import html
import itertools
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import typer
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
NOTEBOOKS = "tutorials/notebooks"
COMMANDS = "<!-- every command -->"
"""Where a page has this line, the reference of all commands stands in the site."""
PICTURES = {"image/svg+xml": "svg", "image/png": "png", "image/jpeg": "jpeg"}


@functools.cache
def made_pages() -> dict[str, Path]:
    """Each page that is made, by its path in the site's sources, and the file it is made of."""
    pages = {"changelog.md": ROOT / "CHANGELOG.md", "background/benchmarks.md": ROOT / "benchmarks/README.md"}
    for notebook in sorted((ROOT / "examples").glob("*.ipynb")):
        pages[f"{NOTEBOOKS}/{notebook.stem}.md"] = notebook
        pages[f"{NOTEBOOKS}/{notebook.stem}.zh.md"] = notebook.parent / "zh" / notebook.name
    return pages


@event_priority(100)  # before the languages are told apart
def on_files(files: Files, config: Any) -> Files:
    """Add the made pages to those that lie in docs/."""
    for path in made_pages():
        files.append(File(path, config.docs_dir, config.site_dir, config.use_directory_urls))
    return files


def on_page_read_source(page: Page, config: Any) -> str | None:
    """The text of a made page; None leaves a page to MkDocs, which reads its file."""
    source = made_pages().get(page.file.src_uri)
    if source is None:
        return None
    if source.suffix == ".ipynb":
        return "\n\n".join(_notebook(source))
    return source.read_text("utf-8")


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """Lead links to files that have a page to that page, and write the commands where they belong."""
    here = posixpath.dirname(page.file.src_uri)
    made = made_pages().get(page.file.src_uri)
    base = posixpath.join("docs", here) if made is None else made.parent.relative_to(ROOT).as_posix()
    pages = {source.relative_to(ROOT).as_posix(): path for path, source in made_pages().items()}

    def led(link: re.Match[str]) -> str:
        wanted = posixpath.normpath(posixpath.join(base, link[1]))
        target = pages.get(wanted, wanted.removeprefix("docs/"))
        if wanted not in pages and made is None:
            return link[0]
        return f"]({posixpath.relpath(target.replace('.zh.md', '.md'), here or '.')}"

    markdown = re.sub(r"\]\(([\w./-]+\.(?:md|ipynb))", led, markdown)
    if COMMANDS in markdown:
        markdown = markdown.replace(COMMANDS, "\n".join(command_reference()))
    return markdown


# Notebooks


def _notebook(path: Path) -> Iterator[str]:
    """Markdown of a notebook: its text, its code, and what the code showed when it was saved."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            yield cell.source
            if cell.source.startswith("# "):
                yield _origin(path)
            continue
        yield f"```python\n{cell.source}\n```"
        yield from (_output(output) for output in cell.outputs)


def _origin(path: Path) -> str:
    name = path.relative_to(ROOT).as_posix()
    if "/zh/" in name:
        return f"本页由笔记本 `{name}` 生成；用 `jupyter lab {name}` 打开即可亲自运行。"
    return f"This page is the notebook `{name}`. Open it with `jupyter lab {name}` to run it yourself."


def _output(output: Any) -> str:
    """One output as a block of HTML, without empty lines, at which Markdown would end it."""
    printed = output.output_type == "stream"
    shown = f"<pre>{html.escape(output.text.rstrip())}</pre>" if printed else _shown(output.data)
    shown = re.sub(r"\n\s*\n", "\n&#8203;\n" if shown.startswith("<pre>") else "\n", shown)
    return f'<div class="notebook-output" data-search-exclude>{shown}</div>'


def _shown(data: dict[str, Any]) -> str:
    """The richest form of an output; pictures stand in the page itself, each apart from the others' styles."""
    for kind in PICTURES:
        if kind in data:
            text = data[kind] if kind != "image/svg+xml" else base64.b64encode(data[kind].encode()).decode()
            described = html.escape(data.get("text/plain", "picture").splitlines()[0], quote=True)
            return f'<img src="data:{kind};base64,{"".join(text.split())}" alt="{described}">'
    if "text/html" in data:
        return str(data["text/html"])
    return f"<pre>{html.escape(str(data['text/plain']))}</pre>"


# Commands


def command_reference() -> Iterator[str]:
    """Markdown of every command: what it does, how it is called, and its options by the panels of its help."""
    from convnets.cli.main import app

    yield from _command(typer.main.get_command(app), "convnets", None)


def _command(command: Any, path: str, parent: Any) -> Iterator[str]:
    context = type(command).context_class(command, info_name=path.split()[-1], parent=parent)
    context.terminal_width = context.max_content_width = 10_000  # one option, one line
    if parent is not None:
        yield f"\n## {path}\n"
        yield from _help(command.get_help(context))
    for name, part in getattr(command, "commands", {}).items():
        yield from _command(part, f"{path} {name}", context)


def _help(text: str) -> Iterator[str]:
    """The help of a command from its plain text: usage, sentences, then sections of names and what they mean."""
    usage, *lines = text.splitlines()
    said = list(itertools.takewhile(lambda line: not _is_section(line), lines))
    yield f"\n```text\n{usage}\n```\n"
    for line in (each.strip() for each in said):
        typed = line.removeprefix("Example: ")
        yield line if typed == line else "\n```console\n$ " + typed.replace(", then: ", "\n$ ") + "\n```\n"
    for line in lines[len(said) :]:
        yield f"\n**{line.removesuffix(':')}**\n" if _is_section(line) else _row(line)


def _is_section(line: str) -> bool:
    return re.fullmatch(r"\S.*:", line) is not None


def _row(line: str) -> str:
    """A name and its meaning, or the meaning of the name before where that was too long for one line."""
    name, _, meaning = line.strip().partition("  ")
    if line.startswith("   "):
        return f":   {_escaped(line.strip())}\n"
    if not name or name.endswith("--help"):
        return ""
    return f"`{name}`" + (f"\n:   {_escaped(meaning.strip())}\n" if meaning else "")


def _escaped(text: str) -> str:
    return re.sub(r"([\\*_\[\]<>{}|])", r"\\\1", text)

"""What docs/choosing.md shows runs, block by block, in an empty folder."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convnets.selection.search.space import space_from_toml

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "choosing.md").read_text("utf-8")


def test_its_commands_and_listings_run(
    convnets: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}
    for language, text in re.findall(r"```(bash|python|toml)\n(.*?)```", PAGE, flags=re.DOTALL):
        if language == "python":
            exec(compile(text, "choosing.md", "exec"), namespace)
        elif language == "toml":
            Path("space.toml").write_text(text)
            assert space_from_toml(Path("space.toml"), "lenet_bn", {})
        else:
            for line in text.strip().splitlines():
                ended = convnets(*shlex.split(line)[1:])
                assert ended.status == 0, (line, ended.err)


def test_its_pictures_are_there() -> None:
    for name in re.findall(r"\]\((images/[^)]+)\)", PAGE):
        assert (DOCS / name).is_file(), name

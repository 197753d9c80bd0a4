"""What docs/background/choosing.md shows is there; its guide's blocks are run with those of every other page."""

from __future__ import annotations

import re
from pathlib import Path

from convnets.selection.search.space import space_from_toml

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "background" / "choosing.md").read_text("utf-8")


def test_its_space_can_be_searched(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "space.toml").write_text(text)
    assert space_from_toml(tmp_path / "space.toml", "lenet_bn", {})


def test_its_pictures_are_there() -> None:
    pictures = re.findall(r"\]\((\.\./images/[^)]+)\)", PAGE)
    assert len(pictures) > 4
    for name in pictures:
        assert (DOCS / "background" / name).is_file(), name

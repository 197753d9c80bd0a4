"""`convnets data check`: the report, its JSON, and the exit code that scripts look at."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Command = Callable[..., Any]


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    for part, count in (("train", 20), ("test", 4)):
        for name in ("dark", "light"):
            folder = tmp_path / "sound" / part / name
            folder.mkdir(parents=True)
            for index in range(count):
                values = draw.integers(0, 256, (6, 5, 3), dtype=np.uint8)
                Image.fromarray(values).save(folder / f"{index}.png")
    return tmp_path / "sound"


@pytest.fixture
def spoilt(sound: Path, tmp_path: Path) -> Path:
    root = Path(shutil.copytree(sound, tmp_path / "spoilt"))
    (root / "train" / "dark" / "zero.jpg").write_bytes(b"")
    shutil.copy(root / "train" / "light" / "1.png", root / "test" / "light" / "leak.png")
    shutil.copy(root / "train" / "light" / "3.png", root / "train" / "dark" / "twin.png")
    return root


def test_sound_data_exit_with_0(convnets: Command, sound: Path) -> None:
    ended = convnets("data", "check", sound)
    assert ended.status == 0, ended
    assert ended.out.splitlines()[-1] == "no problems"
    assert "all       40     8" in ended.out
    assert ended.err == ""


def test_problems_exit_with_1_and_are_listed(convnets: Command, spoilt: Path) -> None:
    ended = convnets("data", "check", spoilt)
    assert ended.status == 1
    assert ended.err == ""
    lines = ended.out.splitlines()
    assert "unreadable: train/dark/zero.jpg: not a picture, it is empty" in ended.out
    assert "two splits: test/light/leak.png = train/light/1.png" in lines
    assert "two classes: train/dark/twin.png = train/light/3.png" in lines
    assert [line for line in lines if line.startswith("problem: ")] == lines[-3:]


def test_json_lists_everything(convnets: Command, spoilt: Path) -> None:
    ended = convnets("data", "check", spoilt, "--json")
    assert ended.status == 1
    found = ended.json
    assert found["pictures"] == 51
    assert len(found["unreadable"]) == len(found["leaks"]) == len(found["contradictions"]) == 1
    assert found["counts"]["train"] == {"dark": 21, "light": 20}


def test_what_is_not_there_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "unknown data set 'no/such'; allowed" in refused(2, "data", "check", "no/such")
    assert "'--threads': 'x'; allowed: a whole number" in refused(
        2, "data", "check", "digits", "--threads", "x"
    )
    (tmp_path / "empty").mkdir()
    assert f"{tmp_path / 'empty'}: no pictures; give a folder" in refused(
        1, "data", "check", tmp_path / "empty"
    )

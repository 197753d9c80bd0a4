"""A small model, pictures, and a process that is killed at a chosen step of writing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

from convnets.checkpoints.model_folder import TrainedModel
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.models.catalogue import create_model

CLASSES = ("bag", "coat")


def small_model(seed: int = 0) -> TrainedModel:
    """A network of the catalogue for 8×8 gray pictures."""
    return TrainedModel(
        create_model("mlp", seed=seed, input_size=8, num_classes=2), CLASSES, Preprocess.plain(1, 8)
    )


def small_set(count: int = 100, seed: int = 0, source: str = "made up") -> ImageSet:
    """Random 8×8 pictures of two classes."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (count, 1, 8, 8), generator=generator, dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(count) % 2, CLASSES, source)


@pytest.fixture
def model() -> TrainedModel:
    return small_model()


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder of pictures of mixed sizes in class folders, two of them broken."""
    root = tmp_path / "photographs"
    for label, gray in (("dark", 40), ("light", 220)):
        (root / label).mkdir(parents=True)
        for number in range(6):
            picture = Image.new("L", (20 + number, 30 - number), gray + number)
            picture.putpixel((number, 3), 128)
            picture.save(root / label / f"{number}.png")
    (root / "dark" / "empty.jpg").write_bytes(b"")
    (root / "light" / "page.jpg").write_text("<html></html>")
    return root


@pytest.fixture
def tiny_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds work through 16 images at a time and save after each batch."""
    from convnets.retrieval.building import build as building

    monkeypatch.setattr(building, "images_at_once", lambda *_: 16)
    monkeypatch.setattr(building, "_SECONDS_BETWEEN_SAVES", 0.0)


def left_by_kills(action: Callable[[], Any], folder: Path, copies: Path) -> list[Path]:
    """What `folder` is when a process that runs `action` is killed at its first write, at its second, and so on.

    Writes are all calls that change the disk: fsync, rename, unlink. The action runs once, to its end, and the folder
    is copied before each of them. At three places a process is really killed, and leaves the same. In the end `folder`
    is as it was.
    """
    before = copies / "before"
    _copy(folder, before)
    states: list[Path] = []

    def copy_folder() -> None:
        states.append(copies / str(len(states)))
        _copy(folder, states[-1])

    with pytest.MonkeyPatch.context() as patched:
        _before_writes(patched.setattr, copy_folder)
        action()
    for step in (1, len(states) // 2, len(states) - 1):
        _copy(before, folder)
        assert not killed_at(step, action)
        assert _content(folder) == _content(states[step]), step
    _copy(before, folder)
    return states


def _copy(folder: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    if folder.exists():
        shutil.copytree(folder, target)


def _content(folder: Path) -> dict[str, list[bytes]]:
    """Bytes of all files by their names; those of temporary ones without what was drawn by chance."""
    found: dict[str, list[bytes]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = re.sub(r"\.\w{8}\.tmp$", ".tmp", path.relative_to(folder).as_posix())
            found.setdefault(name, []).append(path.read_bytes())
    return {name: sorted(contents) for name, contents in found.items()}


def killed_at(step: int, action: Callable[[], Any]) -> bool:
    """Run `action` in a process that is killed at its `step`-th write from 0; whether it lived to the end."""
    if sys.platform == "win32":
        pytest.skip("needs fork")
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # of fork beside threads, none of which is at work
        child = os.fork()
    if child == 0:
        left = [step]

        def die() -> None:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1

        _before_writes(setattr, die)
        try:
            action()
        except BaseException:  # noqa: BLE001  whatever it was, this process must not go on as pytest
            os._exit(3)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0
    return True


def _before_writes(replace: Callable[[Any, str, Any], None], do: Callable[[], None]) -> None:
    def first(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            do()
            return function(*given, **named)

        return call

    for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink")):
        replace(owner, name, first(getattr(owner, name)))


def identity_module() -> nn.Module:
    """A module that is no network of the catalogue."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 5))

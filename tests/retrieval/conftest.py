"""A small model, pictures, and a process that is killed at a chosen step of writing."""

from __future__ import annotations

import os
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


def killed_at(step: int, action: Callable[[], Any]) -> bool:
    """Run `action` in a process that is killed at its `step`-th write; whether it lived to the end.

    Steps are all calls that change the disk: fsync, rename, unlink.
    """
    if sys.platform == "win32":
        pytest.skip("needs fork")
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # of fork beside threads, none of which is at work
        child = os.fork()
    if child == 0:
        _die_at(step)
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


def _die_at(step: int) -> None:
    left = [step]

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return function(*given, **named)

        return call

    os.fsync = counted(os.fsync)
    Path.replace = counted(Path.replace)  # type: ignore[method-assign]
    Path.unlink = counted(Path.unlink)  # type: ignore[method-assign]


def identity_module() -> nn.Module:
    """A module that is no network of the catalogue."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 5))

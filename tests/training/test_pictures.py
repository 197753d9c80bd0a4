"""Training from a folder of pictures: in memory or streamed, with and without broken ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from convnets.errors import DataError, ImageDecodeError
from convnets.training.config import TrainConfig
from convnets.training.events import Event, Notice, RunStarted
from convnets.training.runs.run import Run
from convnets.training.train import train

CONFIG = TrainConfig(
    epochs=2, batch_size=8, size=16, validation=0.25, augment=("flip", "crop:2"), precision="fp32"
)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """32 pictures of mixed sizes: bright ones and dark ones."""
    generator = torch.Generator().manual_seed(0)
    for index in range(32):
        bright = index % 2
        pixels = (
            torch.randint(100, (24 + index % 5, 20, 3), dtype=torch.uint8, generator=generator) + 150 * bright
        )
        folder = tmp_path / "photos" / ("bright" if bright else "dark")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.numpy()).save(folder / f"{index:02}.png")
    return tmp_path / "photos"


def run_on(photos: Path, tmp_path: Path, config: TrainConfig) -> tuple[Run, list[Event]]:
    events: list[Event] = []
    return train("resnet20", str(photos), config, output=tmp_path / "runs", listeners=[events.append]), events


@pytest.mark.parametrize("workers", [0, 2])
def test_a_streamed_run_is_the_run_in_memory(photos: Path, tmp_path: Path, workers: int) -> None:
    resident, _ = run_on(photos, tmp_path, CONFIG)
    streamed, events = run_on(photos, tmp_path, replace(CONFIG, memory_limit=0.0, workers=workers))
    started = next(event for event in events if isinstance(event, RunStarted))
    assert started.resident_bytes == 0
    assert any(isinstance(event, Notice) and "as they are needed" in event.message for event in events)
    ours, theirs = streamed.load().network.state_dict(), resident.load().network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert streamed.load().preprocess == resident.load().preprocess
    assert streamed.load().preprocess.resize == 18  # 16 · 8/7: a margin around the crop


@pytest.mark.parametrize("memory_limit", [None, 0.0])
def test_a_broken_picture_ends_the_run_and_is_named(
    photos: Path, tmp_path: Path, memory_limit: float | None
) -> None:
    (photos / "dark" / "04.png").write_bytes(b"\x89PNG\r\n\x1a\nthe rest is missing")
    with pytest.raises(ImageDecodeError, match=r"dark/04\.png"):
        run_on(photos, tmp_path, replace(CONFIG, memory_limit=memory_limit))


def test_broken_pictures_are_left_out_up_to_the_number_allowed(photos: Path, tmp_path: Path) -> None:
    for number in ("04", "06"):
        (photos / "dark" / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\nthe rest is missing")
    _, events = run_on(photos, tmp_path, replace(CONFIG, skip_corrupt=2))
    started = next(event for event in events if isinstance(event, RunStarted))
    assert started.train_images + started.validation_images == 30
    assert any(
        isinstance(e, Notice) and "2 unreadable pictures of train were left out" in e.message for e in events
    )
    with pytest.raises(DataError, match=r"dark/06\.png"):
        run_on(photos, tmp_path, replace(CONFIG, skip_corrupt=1))


def test_the_run_knows_its_folder_from_anywhere(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.parent)
    run = train("resnet20", "photos", replace(CONFIG, epochs=1), output=tmp_path / "runs", listeners=())
    assert run.settings["data"]["name"] == str(photos)
    assert run.name == "resnet20-photos-1"

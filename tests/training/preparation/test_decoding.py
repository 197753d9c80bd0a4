"""A run's pictures come from the cache the second time, and from the files again where they changed."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convnets.core.hardware import choose_hardware
from convnets.data.image_set import Splits
from convnets.data.images import decoded_cache
from convnets.data.preprocess import Preprocess
from convnets.data.sources import load_data
from convnets.training.config import TrainConfig
from convnets.training.preparation import decoding
from convnets.training.preparation.decoding import decode_where_it_fits


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVNETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CONVNETS_DECODED", raising=False)
    monkeypatch.setattr(decoded_cache, "_WORTH", 0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    numbers = np.random.default_rng(0)
    for name, place in itertools.product(("cat", "dog"), range(3)):
        path = tmp_path / "photos" / name / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(numbers.integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(path)
    return tmp_path / "photos"


def decoded(folder: Path, notices: list[str], config: TrainConfig | None = None) -> torch.Tensor:
    splits: Splits = load_data(folder)
    hardware = choose_hardware("cpu", "fp32", 1)
    found = decode_where_it_fits(
        splits, Preprocess.plain(3, 8), config or TrainConfig(), hardware, notices, None
    )
    assert isinstance(found.train.images, torch.Tensor)
    return found.train.images


def test_the_second_run_decodes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    first = decoded(folder, told)
    assert "are kept in" in told[-1]

    def refuse(*_args: object, **_options: object) -> None:
        raise AssertionError("decoded again")

    with monkeypatch.context() as patched:
        patched.setattr(decoding, "decode_images", refuse)
        assert torch.equal(decoded(folder, told), first)
    assert "were found in" in told[-1]
    Image.new("RGB", (9, 9), "red").save(folder / "cat" / "0.png")
    changed = decoded(folder, told)
    assert "are kept in" in told[-1]
    assert (changed != first).flatten(1).any(1).sum() == 1


def test_it_can_be_switched_off(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVNETS_DECODED", "0")
    told: list[str] = []
    decoded(folder, told)
    assert not told
    assert not (tmp_path / "cache" / "decoded").exists()


def test_with_pictures_that_may_be_left_out_each_run_decodes_and_says_which(folder: Path) -> None:
    (folder / "cat" / "0.png").write_bytes(b"no picture")
    for _ in range(2):
        told: list[str] = []
        assert len(decoded(folder, told, TrainConfig(skip_corrupt=1))) == 5
        assert told == ["1 unreadable pictures of train were left out"]

"""`deterministic`: no clock has a say in what is computed, and an operation without a deterministic way is refused."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from convnets.data.image_set import Splits
from convnets.data.sources import load_data
from convnets.errors import TrainingError
from convnets.kernels.tuning import trial, tuner
from convnets.training.config import TrainConfig
from convnets.training.train import train

CONFIG = TrainConfig(epochs=1, batch_size=32, precision="fp32", validation=0.2, deterministic=True, threads=1)


def few() -> Splits:
    return Splits(load_data("digits").train.subset(range(160)))


def weights(network: str, config: TrainConfig, output: Path) -> str:
    run = train(network, few(), config, output=output, listeners=())
    return hashlib.sha256((run.model_folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture
def _clock_of_chance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever is timed takes a time drawn by lot, and nothing that was measured before is known."""
    monkeypatch.setattr(
        tuner, "cache_folder", lambda: tmp_path / "cache"
    )  # native kernels stay where they are
    draw = random.Random(0)
    monkeypatch.setattr(trial, "clock_for", lambda _: draw.random)


@pytest.mark.usefixtures("_clock_of_chance")
def test_measured_times_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []
    plan = tuner.Tuner.plan
    monkeypatch.setattr(tuner.Tuner, "plan", lambda *given: measured.append(given) or plan(*given))
    assert len({weights("lenet_bn", CONFIG, tmp_path) for _ in range(3)}) == 1
    assert measured == []
    weights("lenet_bn", replace(CONFIG, deterministic=False), tmp_path)
    assert measured  # the check can fail: without the option kernels are measured


class Watching(nn.Module):
    """Notes whether deterministic algorithms are asked for; `scatters` has an operation that knows none."""

    def __init__(self, *, scatters: bool = False) -> None:
        super().__init__()
        self.linear, self.scatters = nn.Linear(64, 10), scatters
        self.seen: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(torch.are_deterministic_algorithms_enabled())
        if self.scatters:
            x = x.clone().put_(torch.tensor([0, 0]), torch.ones(2))
        y: Tensor = self.linear(x.flatten(1))
        return y


def test_deterministic_algorithms_are_asked_for_while_it_trains_and_not_after(tmp_path: Path) -> None:
    network = Watching()
    train(network, few(), CONFIG, output=tmp_path, listeners=())
    assert all(network.seen)
    assert not torch.are_deterministic_algorithms_enabled()
    network = Watching()
    train(network, few(), replace(CONFIG, deterministic=False), output=tmp_path, listeners=())
    assert not any(network.seen)


def test_an_operation_without_a_deterministic_way_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"put_ has no deterministic way on this device; leave") as caught:
        train(Watching(scatters=True), few(), CONFIG, output=tmp_path, name="refused", listeners=())
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "refused").exists()  # found before the run begins
    train(Watching(scatters=True), few(), replace(CONFIG, deterministic=False), output=tmp_path, listeners=())

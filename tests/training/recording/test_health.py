"""train --health: the figures of each epoch in the run, and not a bit of the training changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F

from convnets.data.preprocess import Preprocess
from convnets.data.sources import load_data
from convnets.training.config import TrainConfig
from convnets.training.recording.health import health_by_epoch, probe_batch
from convnets.training.runs.run import Run
from convnets.training.train import train


def trained(tmp_path: Path, name: str, **options: object) -> Run:
    config = TrainConfig.from_dict(
        {"epochs": 2, "threads": 1, "device": "cpu", "precision": "fp32", **options}
    )
    return train("lenet_bn", "digits", config, output=tmp_path, name=name, listeners=())


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory.mktemp("watched"), "watched", health=True, validation=0)


def test_training_is_the_same_to_the_last_bit(tmp_path: Path, watched: Run) -> None:
    plain = trained(tmp_path, "plain", validation=0)
    weights = [
        safetensors.torch.load_file(run.model_folder / "model.safetensors") for run in (plain, watched)
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert [row["train_loss"] for row in plain.metrics] == [row["train_loss"] for row in watched.metrics]
    assert health_by_epoch(plain) == {}
    assert not (plain.path / "health.png").exists()
    assert "<h2>Health</h2>" not in plain.report.read_text()


def test_health_is_recorded_at_the_start_and_after_each_epoch(watched: Run) -> None:
    found = health_by_epoch(watched)
    assert list(found) == [0, 1, 2]
    assert (found[0].step, found[1].step is None) == (None, False)
    losses = [each.loss for each in found.values()]
    assert losses == sorted(losses, reverse=True)  # type: ignore[type-var]
    assert [norm.name for norm in found[1].batch_norms] == [
        "convolutions.1",
        "convolutions.5",
        "hidden.2",
        "hidden.5",
    ]
    assert (watched.path / "health.png").is_file()
    assert "<h2>Health</h2>" in watched.report.read_text()


def test_the_last_epoch_is_that_of_the_weights_that_are_kept(watched: Run) -> None:
    model = watched.load()
    batch = probe_batch(load_data("digits").train, model.preprocess, torch.device("cpu"))
    loss = F.cross_entropy(model.network.train()(batch.images), batch.targets)
    assert health_by_epoch(watched)[2].loss == pytest.approx(loss.item(), rel=1e-4)


def test_events_are_json(watched: Run) -> None:
    rows = [json.loads(line) for line in (watched.path / "events.jsonl").read_text().splitlines()]
    events = [row for row in rows if row["event"] == "HealthMeasured"]
    assert [row["epoch"] for row in events] == [0, 1, 2]
    assert {"name", "mean", "spread", "dead", "saturated", "gradient", "update"} <= set(
        events[0]["layers"][0]
    )
    assert len(events[0]["batch_norms"][0]["gamma"]) == 5


def test_a_set_of_vectors_is_measured_without_gradients(tmp_path: Path) -> None:
    config = TrainConfig(epochs=1, objective="triplet", health=True, threads=1, device="cpu")
    run = train("lenet", "digits", config, output=tmp_path, listeners=())
    found = health_by_epoch(run)[1]
    assert found.loss is None
    assert found.layers[0].spread > 0


def test_the_probe_takes_images_from_the_whole_set() -> None:
    images, preprocess = load_data("digits").train, Preprocess.plain(1, 8)
    probe = probe_batch(images, preprocess, torch.device("cpu"), 50)
    assert len(probe.targets) == 50
    assert len(probe.targets.unique()) == 10
    assert len(probe_batch(images.subset(range(5)), preprocess, torch.device("cpu"), 50).targets) == 5

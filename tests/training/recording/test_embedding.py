"""Runs that train vectors: the same run, events, resume and model folder, with other batches and another loss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convnets.checkpoints.model_folder import load_model
from convnets.core.hardware import Hardware
from convnets.data.class_batches import BatchShape, ClassBatches
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.data.sources import load_data
from convnets.errors import ConfigError, UnknownNameError, UsageError
from convnets.evaluation.distances import DISTANCES
from convnets.models.catalogue import create_model
from convnets.retrieval.descriptors.descriptor import Descriptor, descriptor_of
from convnets.retrieval.evaluation.metrics import evaluate_retrieval
from convnets.serving.evaluation import evaluate_model
from convnets.serving.predictor import Predictor
from convnets.training.config import TrainConfig
from convnets.training.events import EmbeddingEvaluated, EmbeddingMeasured, EpochEnded, Event
from convnets.training.learner import Learner
from convnets.training.objectives.embedding import EmbeddingObjective, build_loss
from convnets.training.objectives.miners import MINERS
from convnets.training.recording.embedding import evaluate_embedding
from convnets.training.runs.run import Run
from convnets.training.task import prepare
from convnets.training.train import resume, train

QUICK: dict[str, Any] = {
    "objective": "triplet",
    "epochs": 3,
    "batch_size": 60,
    "precision": "fp32",
    "fast": False,
    "threads": 1,
}
CPU = Hardware(torch.device("cpu"), torch.float32, threads=1)


def quick(tmp_path: Path, network: Any = "lenet_bn", listeners: Any = (), **options: Any) -> Run:
    config = TrainConfig(**{**QUICK, **options})
    return train(network, "digits", config, output=tmp_path, listeners=listeners)


class StopAfter:
    """A listener that ends the run as Ctrl-C would, after an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def __call__(self, event: Event) -> None:
        if isinstance(event, EpochEnded) and event.epoch == self.epoch:
            raise KeyboardInterrupt


def test_a_run_learns_vectors_and_says_how_they_moved(tmp_path: Path) -> None:
    events: list[Event] = []
    run = quick(tmp_path, listeners=[events.append], epochs=4)
    measured = [event for event in events if isinstance(event, EmbeddingMeasured)]
    assert [event.epoch for event in measured] == [1, 2, 3, 4]
    assert measured[-1].active < measured[0].active
    ratios = [event.positive_distance / event.negative_distance for event in measured]
    assert ratios[-1] < ratios[0] < 1
    rows = run.metrics
    assert [row["validation_accuracy"] for row in rows] == [event.recall_at_1 for event in measured]
    tested = next(event for event in events if isinstance(event, EmbeddingEvaluated))
    untrained = evaluate_retrieval(
        create_model("lenet_bn", input_size=28, seed=0), digits_test(), Preprocess.plain(1, 28)
    )
    assert tested.map_at_r > untrained.map_at_r + 0.1
    assert run.results["test"]["map_at_r"] == tested.map_at_r
    assert "Vectors by epoch" in run.report.read_text()
    assert "convnets index build" in run.report.read_text()


def digits_test() -> ImageSet:
    splits = load_data("digits")
    assert splits.test is not None
    return splits.test


@pytest.mark.parametrize("pooling", ["own", "both", "gem"])
def test_the_model_folder_describes_images_as_the_run_did(tmp_path: Path, pooling: str) -> None:
    run = quick(tmp_path, pooling=pooling, epochs=2, optimizer="sgd")
    model = run.load()
    descriptor = descriptor_of(model)
    scores = evaluate_retrieval(model.network, digits_test(), model.preprocess, descriptor)
    for key in ("recall_at_1", "map_at_r"):
        found = scores.recall[1] if key == "recall_at_1" else scores.map_at_r
        assert found == pytest.approx(run.results["test"][key], abs=1e-4)
    if pooling == "gem":
        assert descriptor.p != 3.0  # it was learned
        assert descriptor == Descriptor("features", "gem", p=descriptor.p)


@pytest.mark.parametrize("options", [{"pooling": "gem"}, {"miner": "distance-weighted"}])
def test_a_resumed_run_is_the_one_that_never_stopped(tmp_path: Path, options: dict[str, Any]) -> None:
    whole = quick(tmp_path / "a", **options)
    stopped = quick(tmp_path / "b", listeners=[StopAfter(1)], **options)
    assert stopped.status == "interrupted"
    again = resume(stopped, listeners=())
    assert again.status == "finished"
    for first, second in ((whole.metrics, again.metrics),):
        kept = ("epoch", "train_loss", "validation_loss", "validation_accuracy")
        assert [[row[key] for key in kept] for row in first] == [[row[key] for key in kept] for row in second]
    ours, theirs = whole.load(), again.load()
    for (name, a), b in zip(
        ours.network.state_dict().items(), theirs.network.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name
    assert ours.metrics["embedding"] == theirs.metrics["embedding"]
    told = [json.loads(line) for line in (again.path / "events.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in told if row["event"] == "EmbeddingMeasured"] == [1, 2, 3]


@pytest.mark.parametrize("objective", ["contrastive", "multi-similarity"])
def test_other_losses(tmp_path: Path, objective: str) -> None:
    run = quick(tmp_path, objective=objective, epochs=2)
    assert run.status == "finished"
    assert run.results["test"]["recall_at_1"] > 0.5


def test_one_step_is_the_plain_one(tmp_path: Path) -> None:
    """Loss, gradient and update of a step written out: normalize, triplets, SGD."""
    config = TrainConfig(**QUICK, miner="all", optimizer="sgd", momentum=0, weight_decay=0, learning_rate=0.1)
    network, twin = (create_model("lenet", num_classes=3, seed=0) for _ in range(2))
    images = ImageSet(
        torch.randint(0, 256, (12, 1, 28, 28), dtype=torch.uint8), torch.arange(12) % 3, ("a", "b", "c"), "x"
    )
    batch = next(iter(ClassBatches(images, Preprocess.plain(1, 28), BatchShape(3, 4)).epoch()))
    learner = Learner(network, config, CPU, objective=EmbeddingObjective(config))
    learner.step(batch, 0, 0, 0.0)
    x = F.normalize(twin.embed(batch.images))
    losses = [
        d
        for a in range(12)
        for p in range(12)
        for n in range(12)
        if a != p
        and batch.targets[a] == batch.targets[p] != batch.targets[n]
        and (d := (x[a] - x[p]).norm() - (x[a] - x[n]).norm() + 0.2) > 0
    ]
    loss = torch.stack(losses).mean()
    loss.backward()
    assert learner.loss == pytest.approx(loss.item(), rel=1e-5)
    for (name, own), other in zip(network.named_parameters(), twin.parameters(), strict=True):
        moved = other if other.grad is None else other - learner.learning_rate * other.grad
        assert torch.allclose(own, moved, atol=1e-6), name
    assert "classifier.weight" in dict(network.named_parameters())
    assert twin.classifier.weight.grad is None  # vectors alone do not reach it


def test_a_classification_head_beside_it(tmp_path: Path) -> None:
    run = quick(tmp_path, classification_weight=1.0, epochs=4)
    assert run.results["embedding"]["classifies"]
    judged = evaluate_model(run.path, hardware=CPU)
    assert judged.evaluation.accuracy > 0.8  # of ten classes
    assert Predictor.load(run).predict(digits_test().pixels[:1])[0].name


def test_a_model_without_classes_names_none(tmp_path: Path) -> None:
    run = quick(tmp_path, epochs=1)
    for ask in (Predictor.load, evaluate_model):
        with pytest.raises(UsageError, match="learned vectors by objective triplet, and no classes"):
            ask(run.path)


def test_a_network_from_outside_the_catalogue(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 16))
    run = quick(tmp_path, network=network, size=28, epochs=2)
    assert run.results["test"]["recall_at_1"] > 0.7
    with pytest.raises(Exception, match="linear classifier"):
        quick(tmp_path, network=network, size=28, classification_weight=1.0)


def test_validation_is_the_metric_itself(tmp_path: Path) -> None:
    config = TrainConfig(**QUICK)
    task = prepare("lenet_bn", "digits", config)
    assert task.objective is not None
    assert task.validation is not None
    found = evaluate_embedding(task, task.objective, task.network, task.validation)
    expected = evaluate_retrieval(task.network, task.validation, task.preprocess)
    assert found.accuracy == pytest.approx(expected.recall[1], abs=1e-6)
    assert found.scores.map_at_r == pytest.approx(expected.map_at_r, abs=1e-5)
    assert 0 < found.loss < 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "triplets"}, "nearest: triplet"),
        ({"objective": "triplet", "mixup": 0.2}, "mixup is 0.2 and objective triplet; allowed: none"),
        ({"objective": "triplet", "accumulate": 2}, "accumulate is 2"),
        ({"miner": "hard"}, "miner is hard and objective classification; allowed: with objective triplet"),
        ({"margin": 0.5}, "margin is 0.5"),
        ({"objective": "triplet", "margin": 0.0}, "margin is 0.0"),
        ({"objective": "triplet", "images_per_class": 1}, "images_per_class is 1"),
        ({"objective": "triplet", "pooling": "max"}, "unknown pooling 'max'"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        TrainConfig(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distance": "euclid"}, "unknown distance 'euclid'; nearest: euclidean"),
        ({"miner": "semi"}, "unknown miner 'semi'; nearest: semi-hard"),
        ({"pooling": "gem", "classification_weight": 1.0}, "leave one of them out"),
        ({"batch_size": 3}, "give a larger batch_size"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_the_run_is_made(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        quick(tmp_path, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("distance", DISTANCES)
def test_every_distance_has_a_loss(distance: str) -> None:
    for objective in ("triplet", "contrastive"):
        config = TrainConfig(
            objective=objective, distance=distance, miner="all" if objective == "triplet" else "semi-hard"
        )
        assert build_loss(config)(torch.eye(4), torch.tensor([0, 0, 1, 1])).isfinite()


@pytest.mark.parametrize("miner", MINERS)
def test_every_miner_trains(miner: str, tmp_path: Path) -> None:
    assert quick(tmp_path, miner=miner, epochs=1).status == "finished"


def test_weights_saved_by_average_are_those_validated(tmp_path: Path) -> None:
    run = quick(tmp_path, ema_decay=0.9, epochs=2)
    model = load_model(run.model_folder)
    scores = evaluate_retrieval(model.network, digits_test(), model.preprocess)
    assert scores.map_at_r == pytest.approx(run.results["test"]["map_at_r"], abs=1e-4)

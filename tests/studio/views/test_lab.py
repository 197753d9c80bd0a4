"""The lab: the same numbers twice, a stop, a newer experiment, verdicts from the numbers, refusals."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from starlette.testclient import TestClient
from torch import nn

from convnets.studio.lab.experiment import Experiment, Side
from convnets.studio.lab.lab_network import LabOptions, lab_network
from convnets.studio.lab.questions import QUESTIONS

QUICK = {"epochs": 2, "width": 4}


def _events(client: TestClient, number: int) -> list[dict]:  # type: ignore[type-arg]
    answer = client.get("/api/lab/events", params={"number": number})
    lines = [line for line in answer.text.split("\n\n") if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def _run(client: TestClient, left: dict, right: dict) -> tuple[int, list[dict]]:  # type: ignore[type-arg]
    begun = client.post("/api/lab/start", json={"left": left, "right": right})
    assert begun.status_code == 200, begun.text
    number = begun.json()["number"]
    return number, _events(client, number)


def test_the_same_options_give_the_same_numbers_twice(digits_studio: TestClient) -> None:
    rows = []
    for _ in range(2):
        _, events = _run(digits_studio, {**QUICK, "dropout": 0.3}, {**QUICK, "dropout": 0.3})
        assert events[-1]["event"] == "done"
        assert events[-1]["problem"] is None
        kept = ("train_loss", "validation_loss", "validation_accuracy")
        rows.append(
            [[each["side"], *(each[name] for name in kept)] for each in events if each["event"] == "epoch"]
        )
    assert rows[0] == rows[1]
    left, right = ([row[1:] for row in rows[0] if row[0] == side] for side in ("left", "right"))
    assert left == right  # the same seed
    assert len(left) == 2


def test_health_is_told_of_every_layer_before_the_first_step_and_after_each_epoch(
    digits_studio: TestClient,
) -> None:
    _, events = _run(digits_studio, QUICK, {**QUICK, "batch_norm": True, "activation": "tanh"})
    health = [each for each in events if each["event"] == "health" and each["side"] == "right"]
    assert [each["epoch"] for each in health] == [0, 1, 2]
    kinds = [layer["kind"] for layer in health[0]["layers"]]
    assert kinds.count("BatchNorm2d") == 2
    assert all(layer["saturated"] is not None for layer in health[0]["layers"] if layer["kind"] == "Tanh")


def test_a_newer_experiment_and_a_stop(digits_studio: TestClient) -> None:
    long = {"epochs": 40, "width": 32, "depth": 6}
    first = digits_studio.post("/api/lab/start", json={"left": long, "right": long}).json()["number"]
    second = digits_studio.post("/api/lab/start", json={"left": long, "right": long}).json()["number"]
    assert second == first + 1
    gone = digits_studio.get("/api/lab/events", params={"number": first})
    assert gone.status_code == 404
    assert digits_studio.post("/api/lab/stop").status_code == 200
    events = _events(digits_studio, second)
    assert events[-1] == {"event": "done", "problem": None, "stopped": True}
    refused = digits_studio.get("/api/lab/verdict", params={"number": second, "question": "depth"})
    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ({"rate": 1}, "rate"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast'"),
        ({"learning_rate": 1e9}, "allowed: 1e-05 to 10"),
        ({"epochs": 1000}, "allowed: 1 to 40"),
        ({"epochs": True}, "epochs is True"),
        ({"activation": "softplus"}, "relu"),
        ({"initializer": "zeros"}, "xavier-uniform"),
        ({"optimizer": "muon"}, "sgd"),
        ({"schedule": "falling"}, "cosine"),
        ([], "options of the lab"),
    ],
)
def test_what_cannot_be_tried(digits_studio: TestClient, left: object, said: str) -> None:
    answer = digits_studio.post("/api/lab/start", json={"left": left, "right": {}})
    assert answer.status_code == 422
    assert said in answer.json()["error"]


def test_a_network_has_what_was_asked_for() -> None:
    network = lab_network(LabOptions(depth=5, width=6, batch_norm=True, activation="tanh", dropout=0.2))
    kinds = [type(each) for each in network]
    assert (kinds.count(nn.Conv2d), kinds.count(nn.BatchNorm2d), kinds.count(nn.Tanh)) == (5, 5, 5)
    assert kinds.count(nn.MaxPool2d) == 2
    assert kinds.count(nn.Dropout) == 1
    again = lab_network(LabOptions(depth=5, width=6, batch_norm=True, activation="tanh", dropout=0.2))
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))


def test_a_verdict_comes_from_the_numbers(digits_studio: TestClient) -> None:
    question = QUESTIONS["sigmoid"]
    number, _ = _run(digits_studio, question.left.to_dict(), question.right.to_dict())
    found = digits_studio.get("/api/lab/verdict", params={"number": number, "question": "sigmoid"}).json()
    ratio = found["numbers"]["left: gradient of the first layer"] / found["numbers"]["right"]
    assert found["numbers"]["ratio"] == pytest.approx(ratio)
    assert found["right"] == sum(ratio > limit for limit in (3, 30, 300))
    other = digits_studio.get("/api/lab/verdict", params={"number": number, "question": "depth"})
    assert "is not that of the question" in other.json()["error"]


def test_every_answer_of_every_question_can_be_right() -> None:
    assert len(QUESTIONS) >= 10

    def side(options: LabOptions, scale: float, accuracy: float) -> Side:
        row = {
            "epoch": 1,
            "validation_accuracy": accuracy,
            "train_accuracy": 0.95,
            "train_loss": 1.0,
            "validation_loss": scale,
        }
        layer = {
            "name": "0",
            "kind": "Conv2d",
            "has_weights": True,
            "spread": scale,
            "gradient": scale,
            "weight": scale,
        }
        rows = [{**layer, "dead": None, "saturated": None}] * 3
        return Side(options, [row], [rows, rows])

    for question in QUESTIONS.values():
        seen = set()
        for power in (-4, -2.5, -1.5, -0.5, -0.1, 0, 0.1, 0.3, 0.5, 1.5):
            for accuracy in (0.1, 0.7, 0.9, 0.95, 0.99):
                left, right = side(question.left, 1.0, 0.9), side(question.right, 10**power, accuracy)
                seen.add(question.measure(left, right).right)
        allowed = set(range(len(question.answers)))
        assert seen <= allowed, question.name
        assert len(seen) >= 2, question.name


def test_epochs_to_ninety_percent_lie_on_the_line_between_two_epochs() -> None:
    side = Side(LabOptions())
    assert side.reached is None
    side.epochs = [{"epoch": 1, "validation_accuracy": 0.5}, {"epoch": 2, "validation_accuracy": 1.0}]
    assert side.reached == pytest.approx(1.8)
    assert math.isnan(side.value("train_loss"))


def test_an_experiment_ends_with_the_studio(studio: Callable[..., TestClient], digits_runs: Path) -> None:
    with studio(digits_runs) as client:
        long = {"epochs": 40, "width": 32, "depth": 6}
        client.post("/api/lab/start", json={"left": long, "right": long})
    experiment = Experiment(1, LabOptions(epochs=1), LabOptions(epochs=1))
    experiment.stop()  # before it began
    assert not experiment.done


def test_the_code_of_an_experiment_gives_its_numbers(
    digits_studio: TestClient, tmp_path: Path, warm_python: Any
) -> None:
    begun = digits_studio.post("/api/lab/start", json={"left": {**QUICK, "seed": 3}, "right": QUICK}).json()
    events = _events(digits_studio, begun["number"])
    code = begun["code"]["python"]
    done = warm_python.run("-c", code, check=True, cwd=tmp_path)
    rows = [[float(each) for each in line.split()] for line in done.stdout.splitlines()]
    kept = ("epoch", "train_loss", "validation_loss", "validation_accuracy")
    assert rows == [
        [pytest.approx(each[name], rel=1e-6) for name in kept] for each in events if each["event"] == "epoch"
    ]

"""The routes about runs: the list, curves, the batch behind a step, and training from a form."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import convnets
from convnets import TrainConfig


def test_every_run_is_listed_damaged_ones_with_what_is_wrong(digits_studio: TestClient) -> None:
    found = digits_studio.get("/api/runs").json()
    rows = {row["name"]: row for row in found["runs"]}
    assert set(rows) == {"digits-0", "digits-1", "broken"}
    assert rows["broken"]["status"] == "damaged"
    assert "cannot be read" in rows["broken"]["problem"]
    assert rows["digits-0"]["epochs"] == 2
    assert rows["digits-0"]["group"] == rows["digits-1"]["group"]  # they differ in their seed alone
    assert rows["digits-0"]["kept"] == [0, 1, 2]


def test_a_run_as_its_files_have_it(digits_studio: TestClient, digits_runs: Path) -> None:
    found = digits_studio.get("/api/runs/digits-0").json()
    run = convnets.Run(digits_runs / "digits-0")
    assert found["metrics"] == run.metrics
    assert found["status"] == "finished"
    assert found["health"]["layers"]


def test_the_batch_of_a_step_is_the_one_that_was_trained_on(
    digits_studio: TestClient, digits_runs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from convnets.data.batches import Batches

    seen: list[list[int]] = []
    original = Batches._prepare

    def watching(self: Batches, stored, targets, indices, epoch, step):  # type: ignore[no-untyped-def]
        if self.shuffle:
            seen.append(indices.tolist())
        return original(self, stored, targets, indices, epoch, step)

    monkeypatch.setattr(Batches, "_prepare", watching)
    config = TrainConfig(epochs=2, device="cpu", precision="fp32", fast=False, seed=1)
    convnets.train("lenet_bn", "digits", config, output=tmp_path, listeners=())
    steps = len(seen) // 2
    found = digits_studio.get("/api/runs/digits-1/batch", params={"epoch": 2, "step": 3}).json()
    assert found["indices"] == seen[steps + 2]
    refused = digits_studio.get("/api/runs/digits-1/batch", params={"epoch": 1, "step": 99})
    assert refused.status_code == 422
    assert "an epoch has steps 1 to" in refused.json()["error"]


def test_differences_of_two_runs(digits_studio: TestClient) -> None:
    found = digits_studio.get("/api/compare", params={"runs": "digits-0,digits-1"}).json()
    assert any("seed" in cell for cell in found["head"] + [cell for row in found["rows"] for cell in row])


def test_what_is_no_run_is_refused_in_a_line(digits_studio: TestClient) -> None:
    for name in ("nowhere", "..", "%2e%2e", "digits-0%2fmodel"):
        answer = digits_studio.get(f"/api/runs/{name}")
        assert answer.status_code in (404, 422), name
        assert "\n" not in answer.json()["error"]


def test_the_form_says_what_the_command_line_says(digits_studio: TestClient) -> None:
    found = digits_studio.get("/api/form").json()
    said = TrainConfig.descriptions()
    assert {field["name"]: field["help"] for field in found["fields"]} == {
        k: v for k, v in said.items() if k != "start"
    }
    assert "lenet_bn" in found["networks"]
    assert "digits" in found["data"]


def test_a_form_trains_as_the_command_would_and_stops(
    studio: Callable[..., TestClient], tmp_path: Path
) -> None:
    with studio(tmp_path) as client:
        options = {"epochs": 400, "batch_size": 64, "device": "cpu", "precision": "fp32"}
        begun = client.post(
            "/api/train", json={"name": "new", "network": "softmax", "data": "digits", "options": options}
        )
        assert begun.status_code == 200, begun.text
        assert begun.json()["code"]["command"].startswith("convnets train softmax --data=digits --epochs=400")
        again = client.post(
            "/api/train", json={"name": "new", "network": "softmax", "data": "digits", "options": {}}
        )
        assert again.status_code in (422, 500)
        row: dict[str, object] = {}
        for _ in range(600):
            rows = client.get("/api/runs").json()["runs"]
            row = rows[0] if rows else {}
            if row.get("epochs"):
                break
            time.sleep(0.1)
        assert row["status"] == "running"
        assert client.post("/api/runs/new/stop").status_code == 200
        for _ in range(300):
            if client.get("/api/runs").json()["runs"][0]["status"] != "running":
                break
            time.sleep(0.1)
        assert client.get("/api/runs").json()["runs"][0]["status"] == "interrupted"
        refused = client.post("/api/runs/elsewhere/stop")
        assert "was not begun in this studio" in refused.json()["error"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "../x", "network": "softmax", "data": "digits"}, "a name for a folder"),
        ({"name": "-x", "network": "softmax", "data": "digits"}, "a name for a folder"),
        ({"name": "x", "network": "softmax", "data": "--output=/"}, "begins with a dash"),
        ({"name": "x", "network": "softmax", "data": "digits", "options": {"epoch": 3}}, "epochs"),
        ({"name": "x", "network": "softmax", "data": "digits", "options": {"epochs": "many"}}, "epochs"),
        ({"name": "digits-0", "network": "softmax", "data": "digits"}, "is there already"),
        ({"name": "x", "start": "nowhere"}, "nowhere"),
    ],
)
def test_a_form_that_cannot_be(digits_studio: TestClient, given: dict[str, object], said: str) -> None:
    answer = digits_studio.post("/api/train", json=given)
    assert answer.status_code in (422, 500)
    assert said in answer.json()["error"]


def test_a_studio_that_only_shows_trains_nothing(
    studio: Callable[..., TestClient], digits_runs: Path
) -> None:
    with studio(digits_runs, read_only=True) as client:
        for path in ("/api/train", "/api/runs/digits-0/stop", "/api/runs/digits-0/resume"):
            answer = client.post(path, json={})
            assert answer.status_code == 403
            assert "--read-only" in answer.json()["error"]

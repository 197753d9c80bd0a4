"""A run that is stopped anywhere goes on to the bit: losses, sample order, weights, files."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from convnets.checkpoints.state_folder import LATEST_FILE, StateFolder
from convnets.data.batches import Batch
from convnets.data.image_set import Splits
from convnets.data.sources import load_data
from convnets.errors import RunError
from convnets.models.papers import resnet_cifar
from convnets.training.config import TrainConfig
from convnets.training.events import CheckpointSaved, EpochStarted, Event, Notice
from convnets.training.learner import Learner
from convnets.training.runs.run import Run
from convnets.training.runs.run_folders import find_runs
from convnets.training.train import resume, train

STEPS = 6  # in an epoch
EVERYTHING = TrainConfig(
    epochs=3,
    batch_size=8,
    size=16,
    validation=0.25,
    augment=("flip", "crop:2", "erasing"),
    mixup=0.3,
    ema_decay=0.9,
    label_smoothing=0.1,
    schedule="one-cycle",
    precision="bf16",
    memory_limit=0.0,
)


@pytest.fixture(scope="module", autouse=True)
def _shallow() -> Iterator[None]:
    """ResNet-20 has one block a stage in this file, not three: the same parts, and a third of the work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resnet_cifar, "resnet20", functools.partial(resnet_cifar.ResNetCIFAR, 1))
        yield


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 pictures, bright ones and dark ones: 48 to train on."""
    folder = tmp_path_factory.mktemp("photos")
    generator = torch.Generator().manual_seed(0)
    for index in range(64):
        kind = ("dark", "bright")[index % 2]
        pixels = torch.randint(120, (20, 18, 3), dtype=torch.uint8, generator=generator) + 130 * (index % 2)
        (folder / kind).mkdir(exist_ok=True)
        Image.fromarray(pixels.numpy()).save(folder / kind / f"{index:02}.png")
    return folder


class Diary:
    """Writes down every step that is computed and asks the run to stop after some of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[tuple[int, int, tuple[int, ...], float]] = []
        self.stop_after: tuple[int, int] | None = None
        step = Learner.step

        def noted(learner: Learner, batch: Batch, epoch: int, number: int, progress: float) -> None:
            step(learner, batch, epoch, number, progress)
            self.steps.append((epoch, number, tuple(batch.indices.tolist()), learner.loss))
            if (epoch, number) == self.stop_after:
                os.kill(os.getpid(), signal.SIGTERM)

        monkeypatch.setattr(Learner, "step", noted)


def final_hash(run: Run) -> str:
    return hashlib.sha256((run.model_folder / "model.safetensors").read_bytes()).hexdigest()


def state_tensors(run: Run) -> dict[str, Tensor]:
    _, learner = StateFolder(run.state_folder).load()
    return {**learner["network"], **{f"average {key}": value for key, value in learner["average"].items()}}


@pytest.fixture(scope="module")
def whole(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[Any]]:
    """The run that never stopped, and its steps; `test_the_number_of_workers_changes_nothing` holds it to any."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        diary = Diary(monkeypatch)
        run = train("resnet20", photos, EVERYTHING, output=tmp_path_factory.mktemp("whole"), listeners=())
    return run, diary.steps


PLACES = {"mid-epoch": (1, 2), "last batch": (1, STEPS - 1), "epoch end": (0, STEPS - 1)}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("times", [1, 3])
def test_every_later_step_is_the_same(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole: tuple[Run, list[Any]],
    workers: int,
    place: str,
    times: int,
) -> None:
    config = replace(EVERYTHING, workers=workers)
    never_stopped, expected = whole
    diary = Diary(monkeypatch)
    first = PLACES[place]
    stops = [first, (first[0] + 1, 0), (first[0] + 1, 3)][:times]
    diary.stop_after = stops[0]
    run = train("resnet20", photos, config, output=tmp_path, name="stopped", listeners=())
    for stop in [*stops[1:], None]:
        assert run.status == "terminated"
        diary.stop_after = stop
        run = resume(run, listeners=())
    assert run.status == "finished"
    assert diary.steps == expected
    assert len({tuple(step[:2]) for step in expected}) == len(expected) == 3 * STEPS
    assert final_hash(run) == final_hash(never_stopped)
    ours, theirs = state_tensors(run), state_tensors(never_stopped)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert [without_times(row) for row in run.metrics] == [
        without_times(row) for row in never_stopped.metrics
    ]
    assert told(run) == told(never_stopped)


def test_the_number_of_workers_changes_nothing(photos: Path, tmp_path: Path) -> None:
    runs = [
        train(
            "resnet20", photos, replace(EVERYTHING, epochs=1, workers=workers), output=tmp_path, listeners=()
        )
        for workers in (0, 1, 2)
    ]
    assert len({final_hash(run) for run in runs}) == 1
    assert len({str([without_times(row) for row in run.metrics]) for run in runs}) == 1


def test_epochs_without_a_better_one_are_counted_over_a_stop(tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, EpochStarted) and event.epoch == 3:
            raise KeyboardInterrupt

    config = replace(SMALL, epochs=9, patience=2, learning_rate=0.0, schedule="constant")
    run = train("mlp", few(), config, output=tmp_path, listeners=[stop])
    assert (run.status, len(run.metrics)) == ("interrupted", 2)
    run = resume(run, data=few(), listeners=())
    assert (run.status, len(run.metrics), run.results["epoch"]) == ("patience", 3, 1)


def without_times(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if "seconds" not in key and "per_second" not in key}


def told(run: Run) -> list[int]:
    """Epochs whose end is told in events.jsonl: each once."""
    events = [json.loads(line) for line in run.events_file.read_text().splitlines()]
    return [event["epoch"] for event in events if event["event"] == "EpochEnded"]


def few() -> Splits:
    digits = load_data("digits")
    return Splits(digits.train.subset(range(160)))


SMALL = TrainConfig(epochs=2, batch_size=32, precision="fp32", save_every="2")


def test_states_are_saved_every_so_many_steps(tmp_path: Path) -> None:
    events: list[Event] = []
    train("mlp", few(), SMALL, output=tmp_path, listeners=[events.append])
    saved = [(event.epoch, event.step) for event in events if isinstance(event, CheckpointSaved)]
    assert saved == [(0, 2), (0, 4), (1, 0), (1, 1), (1, 3), (1, 5), (2, 0)]  # 5 steps an epoch


def test_states_are_saved_every_so_many_seconds(tmp_path: Path) -> None:
    events: list[Event] = []
    train("mlp", few(), replace(SMALL, save_every="0.001 s"), output=tmp_path, listeners=[events.append])
    saved = [event for event in events if isinstance(event, CheckpointSaved)]
    assert any(event.step for event in saved)
    without: list[Event] = []
    train("mlp", few(), replace(SMALL, save_every="0"), output=tmp_path, listeners=[without.append])
    assert [event.step for event in without if isinstance(event, CheckpointSaved)] == [0, 0]


def test_a_change_of_environment_is_told_by_field(tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, EpochStarted) and event.epoch == 2:
            raise KeyboardInterrupt

    run = train("mlp", few(), SMALL, output=tmp_path, listeners=[stop])
    environment = json.loads((run.path / "environment.json").read_text())
    environment["threads"] += 1
    environment["versions"]["torch"] = "2.0.0"
    (run.path / "environment.json").write_text(json.dumps(environment))
    events: list[Event] = []
    resume(run, data=few(), listeners=[events.append])
    notices = [event.message for event in events if isinstance(event, Notice)]
    assert any(f"versions torch is {torch.__version__}, was 2.0.0" in notice for notice in notices)
    assert any(notice.startswith("going on where threads is") for notice in notices)


def test_the_same_call_again_goes_on_with_the_run_that_was_stopped(tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, EpochStarted) and event.epoch == 2:
            raise KeyboardInterrupt

    def call(**more: Any) -> Run:
        return train("mlp", few(), more.pop("config", SMALL), output=tmp_path, go_on=True, **more)

    first = call(listeners=[stop])
    assert first.status == "interrupted"
    other = call(config=replace(SMALL, seed=1), listeners=())
    assert other.path != first.path
    assert call(listeners=()).path == first.path
    assert first.status == "finished"
    assert call(listeners=()).path not in (first.path, other.path)  # it has ended: a new one begins
    assert len(find_runs(tmp_path)) == 3
    named = call(name="mine", listeners=[stop])
    with pytest.raises(RunError, match=r"mine was started with seed 0, now it is 5; give the options"):
        call(name="mine", config=replace(SMALL, seed=5), listeners=())
    assert call(name="mine", listeners=()).path == named.path
    told: list[Event] = []
    before = named.events_file.read_bytes()
    assert call(name="mine", listeners=[told.append]).path == named.path  # it has ended: it is left as it is
    assert told == [Notice(f"{named.path} has ended (finished); nothing is left to do")]
    assert named.events_file.read_bytes() == before


def test_two_processes_cannot_train_one_run(tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, EpochStarted) and event.epoch == 2:
            running = Run(tmp_path / "mlp-digits-1")
            assert running.status == "running"
            running.append_metrics(running.metrics[0] | {"epoch": 7})  # more than the state knows of
            before = [file.read_bytes() for file in (running.path / "metrics.csv", running.events_file)]
            for again in (lambda: resume(running, data=few(), listeners=()), go_on):
                with pytest.raises(RunError, match="is being trained by another process"):
                    again()
            after = [file.read_bytes() for file in (running.path / "metrics.csv", running.events_file)]
            assert after == before
            raise KeyboardInterrupt

    def go_on() -> Run:
        return train("mlp", few(), SMALL, output=tmp_path, go_on=True, listeners=())

    run = train("mlp", few(), SMALL, output=tmp_path, listeners=[stop])
    assert run.status == "interrupted"


COMMAND = ["-m", "convnets", "train", "lenet_bn", "--epochs", "6", "--batch-size", "32"]
COMMAND += ["--threads", "1", "--save-every", "7", "--ema-decay", "0.9", "--resume", "auto", "--quiet"]


def test_a_command_killed_at_any_time_and_given_again_ends_the_same(tmp_path: Path, warm_python: Any) -> None:
    """SIGKILL; benchmarks/kills.py does this a hundred times on Fashion-MNIST."""
    warm_python.run(*COMMAND, "--output", str(tmp_path / "whole"), check=True)
    whole = find_runs(tmp_path / "whole")[0]
    kills = 0
    killed = [*COMMAND, "--output", str(tmp_path / "killed")]
    for pause in (0.0, 0.35, 0.7, 1.1):
        process = warm_python.start(*killed)
        known = _latest(tmp_path)
        while process.poll() is None and _latest(tmp_path) == known:  # it is training, and has saved
            time.sleep(0.01)
        time.sleep(pause)
        kills += process.poll() is None
        process.kill()
        process.wait()
    warm_python.run(*killed, check=True)
    run = find_runs(tmp_path / "killed")[0]
    assert kills >= 2
    assert run.status == "finished"
    assert final_hash(run) == final_hash(whole)
    assert [without_times(row) for row in run.metrics] == [without_times(row) for row in whole.metrics]


def _latest(tmp_path: Path) -> bytes:
    files = list(tmp_path.glob(f"killed/*/state/{LATEST_FILE}"))
    return files[0].read_bytes() if files else b""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_the_run_and_ends_with_its_code(
    tmp_path: Path, warm_python: Any, number: signal.Signals, status: int
) -> None:
    process = warm_python.start(
        *COMMAND, "--epochs", "500", "--output", str(tmp_path / "killed"), stderr=subprocess.PIPE
    )
    while not _latest(tmp_path):
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert "Traceback" not in errors
    run = find_runs(tmp_path / "killed")[0]
    assert run.status == {130: "interrupted", 143: "terminated"}[status]
    state, _ = StateFolder(run.state_folder).load()
    assert state.epochs * 45 + state.step > 0

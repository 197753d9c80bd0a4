"""`convnets train --from`, further training, runs whose images moved, and a queue that gives a done command again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from convnets.training.config import TrainConfig
from convnets.training.events import EpochStarted, Event
from convnets.training.runs.run import Run
from convnets.training.train import train

Command = Callable[..., Any]
Refused = Callable[..., str]
SMALL = ("--epochs", 1, "--precision", "fp32", "--threads", 1)


def test_other_pictures_from_a_run(
    convnets: Command, digits_run: Run, pictures: Path, tmp_path: Path
) -> None:
    options = ("--freeze", "hidden", "--lr", 0.01, "--name", "new", "-o", tmp_path)
    ended = convnets("train", "--from", digits_run.path, "--data", pictures, *SMALL, *options)
    assert (ended.status, ended.err) == (0, "")
    note = next(line for line in ended.out.splitlines() if "starting from" in line)
    assert note.startswith(
        f"note: starting from {digits_run.model_folder} (mlp): 2 tensors; new: classifier.weight"
    )
    assert "the first layer's filters for 1 channels were changed to 3" in note
    run = Run(tmp_path / "new")
    assert (run.network_name, run.config.freeze, run.config.learning_rate) == ("mlp", ("hidden",), 0.01)
    assert convnets("predict", run.path, pictures / "test" / "dark" / "0.jpg").status == 0


def test_a_finished_run_is_trained_further(convnets: Command, digits_run: Run, tmp_path: Path) -> None:
    line = convnets("train", "--resume", digits_run.path, "--epochs", 4).err
    assert f"To train it further: convnets train --from {digits_run.path} --epochs 4" in line
    ended = convnets("train", "--from", digits_run.path, "--epochs", 1, "--out", tmp_path, "--json")
    assert ended.status == 0
    events = [json.loads(each) for each in ended.out.splitlines()]
    notes = [each["message"] for each in events if each["event"] == "Notice"]
    assert f"{digits_run.path} is trained further, on its images, with its options but for epochs 1" in notes
    assert any("the last layer is kept, the classes are the same" in note for note in notes)
    (folder,) = tmp_path.iterdir()
    run = Run(folder)
    assert run.config == replace(digits_run.config, epochs=1, start=str(digits_run.path))
    # it starts where the other one ended: far beyond what one epoch from scratch reaches
    before, after = digits_run.metrics[0]["train_loss"], run.metrics[0]["train_loss"]
    assert before is not None
    assert after is not None
    assert after < 0.7 * before


def test_further_in_python_and_the_message_of_resume(
    digits_run: Run, tmp_path: Path, refused: Refused
) -> None:
    run = train(start=digits_run, output=tmp_path, listeners=())
    assert run.config == replace(digits_run.config, start=str(digits_run.path))
    message = refused(1, "train", "--resume", digits_run.path)
    assert "has ended (finished); there is nothing to go on with. To train it further: " in message
    assert f"convnets train --from {digits_run.path} --epochs 2, or in Python train(start=…)" in message


@pytest.fixture
def stopped(pictures: Path, tmp_path: Path) -> tuple[Run, Path]:
    """A run that was stopped after its first epoch, and the place that its pictures were moved to."""

    def stop(event: Event) -> None:
        if isinstance(event, EpochStarted) and event.epoch == 2:
            raise KeyboardInterrupt

    before = shutil.copytree(pictures, tmp_path / "before")
    config = TrainConfig(epochs=2, batch_size=8, size=8, precision="fp32", threads=1)
    run = train("softmax", before, config, output=tmp_path / "runs", name="stopped", listeners=[stop])
    return run, before.rename(tmp_path / "after")


def test_a_run_whose_pictures_moved(
    convnets: Command, refused: Refused, stopped: tuple[Run, Path], tmp_path: Path
) -> None:
    run, now = stopped
    message = (
        f"the images of {run.path} are not at {tmp_path / 'before'} any more; say where they are with --data"
    )
    assert message in refused(1, "train", "--resume", run.path)
    assert message in refused(1, "evaluate", run.path)
    other = shutil.copytree(now, tmp_path / "other")
    (other / "train" / "dark" / "1.png").unlink()
    line = refused(1, "train", "--resume", run.path, "--data", other)
    assert f"was trained on {tmp_path / 'before'}, and the images of {other} are not the same" in line
    ended = convnets("train", "--resume", run.path, "--data", now)
    assert ended.status == 0
    assert f"note: the images are now those of {now}, which are the same" in ended.out
    assert Run(run.path).status == "finished"
    assert convnets("evaluate", run.path).status == 0  # it knows the new place


def test_the_same_command_goes_on_with_pictures_that_moved(
    convnets: Command, stopped: tuple[Run, Path]
) -> None:
    run, now = stopped
    options = ("--epochs", 2, "--batch-size", 8, "--size", 8, "--precision", "fp32", "--threads", 1)
    again = ("train", "softmax", "--data", now, *options, "--output", run.path.parent, "--resume", "auto")
    assert convnets(*again).status == 0
    assert [path.name for path in run.path.parent.iterdir()] == ["stopped"]
    assert Run(run.path).status == "finished"


def test_a_done_command_given_again_ends_well_and_trains_nothing(convnets: Command, tmp_path: Path) -> None:
    command = ("train", "mlp", *SMALL, "--output", tmp_path, "--name", "job", "--resume", "auto")
    assert convnets(*command).status == 0
    before = {path: path.read_bytes() for path in (tmp_path / "job").rglob("*") if path.is_file()}
    ended = convnets(*command)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == f"note: {tmp_path / 'job'} has ended (finished); nothing is left to do\n"
    assert convnets(*command, "--quiet").out == ""
    event = json.loads(convnets(*command, "--json").out)
    assert event["event"] == "Notice"
    assert {path: path.read_bytes() for path in (tmp_path / "job").rglob("*") if path.is_file()} == before
    other = convnets(*command, "--seed", 5)  # another job of that name is no done one
    assert (other.status, "was started with seed 0, now it is 5" in other.err) == (1, True)


def test_a_done_command_from_weights_that_are_gone(
    convnets: Command, digits_run: Run, tmp_path: Path
) -> None:
    start = shutil.copytree(digits_run.path, tmp_path / "start")
    command = (
        "train",
        "mlp",
        "--data",
        "digits",
        "--from",
        start,
        *SMALL,
        "--name",
        "job",
        "--resume",
        "auto",
    )
    assert convnets(*command, "--output", tmp_path / "runs").status == 0
    shutil.rmtree(start)
    ended = convnets(*command, "--output", tmp_path / "runs")
    assert (ended.status, "has ended (finished); nothing is left to do" in ended.out) == (0, True)
    assert f"{start} does not exist" in convnets(*command, "--output", tmp_path / "others").err


def test_bad_starts_in_one_line(refused: Refused, digits_run: Run, tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "w.pth")
    out = ("--output", tmp_path / "runs")
    assert "w.pth is no run, and does not say which to take" in refused(
        2, "train", "resnet20", "--from", tmp_path / "w.pth", *out
    )
    assert "does not say which network its weights are of" in refused(
        2, "train", "--from", tmp_path / "w.pth", "--data", "digits", *out
    )
    assert "w.pth does not fit resnet20: no stem.0.weight" in refused(
        1, "train", "resnet20", "--from", tmp_path / "w.pth", "--data", "digits", *out
    )
    assert "nowhere does not exist; give a run" in refused(
        1, "train", "lenet", "--from", "nowhere", "--data", "digits", *out
    )
    assert "leave the network out" in refused(2, "train", "lenet", "--from", digits_run.path, *out)
    assert not (tmp_path / "runs").exists()

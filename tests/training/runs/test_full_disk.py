"""A real file system of one megabyte that fills up: one line that says so, what was there is kept, the run goes on."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from convnets.core.storage.files import naming
from convnets.errors import RunError
from convnets.training.config import TrainConfig
from convnets.training.events import Event
from convnets.training.listeners.event_file import EventFile
from convnets.training.train import train

MOUNT = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
SCRIPT = """
import contextlib, io, json, os, shutil, sys
from pathlib import Path
import torch
import convnets.training.recording.run_report as run_report
import convnets.training.recording.saver as saver
from convnets.checkpoints.model_folder import TrainedModel, load_model, save_model
from convnets.checkpoints.state_folder import StateFolder
from convnets.checkpoints.training_state import TrainingState
from convnets.cli.main import run
from convnets.data.preprocess import Preprocess
from convnets.errors import ConvnetsError
from convnets.models.catalogue import create_model
from convnets.training.runs.run import Run

root, found = Path(sys.argv[1]), {}

def refused(action):
    try:
        action()
    except ConvnetsError as error:
        return str(error)

def fill():
    handle = os.open(root / "filler", os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while os.write(handle, bytes(4096)) == 4096:
            pass
    os.close(handle)

def command(*arguments):
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        try:
            run([*arguments, "--quiet"])
        except SystemExit as exit_:
            return [exit_.code, errors.getvalue()]

states = StateFolder(root / "state")
for step, numbers in ((1, 40_000), (2, 40_000), (3, 400_000)):
    found["state"] = refused(lambda: states.save(TrainingState(step=step), {"w": torch.zeros(numbers)}))
found["kept state"] = states.load()[0].step
for network in ("softmax", "mlp"):
    model = TrainedModel(create_model(network, input_size=28), tuple("0123456789"), Preprocess.plain(1, 28))
    found["model"] = refused(lambda: save_model(root / "model", model))
found["kept model"] = load_model(root / "model").network.architecture.name
found["left over"] = [str(path) for path in root.rglob("*.tmp")]
for path in [*states.path.iterdir(), *(root / "model").iterdir()]:
    path.unlink()

def write_run_report(run, *_):
    run.report.write_bytes(bytes(100_000))  # does not fit either; what was said before is the better message
    return run.report

run_report.write_run_report = write_run_report
ended = saver.Saver.epoch_ended
for place in ("weights", "position"):
    def epoch_ended(self, row, place=place):
        if row.epoch == 2 and place == "weights":
            fill()
        ended(self, row)
        if row.epoch == 2 and place == "position":
            fill()
    saver.Saver.epoch_ended = epoch_ended
    path = root / "runs" / place
    options = ["--epochs", "3", "--ema-decay", "0.9", "--output", str(root / "runs"), "--name", place]
    status, error = command("train", "softmax", *options)
    saver.Saver.epoch_ended = ended
    (root / "filler").unlink()
    again = command("train", "--resume", str(path))
    found[place] = [status, error, again, Run(path).status, len(Run(path).metrics)]
    shutil.rmtree(path)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("disk")
    mounted = 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"'
    if (
        shutil.which("unshare") is None
        or subprocess.run([*MOUNT, mounted, root, "true"], check=False).returncode
    ):
        pytest.skip("this user may mount no file system of its own")
    command = [*MOUNT, mounted, root, sys.executable, "-c", SCRIPT, root]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode == 0, ended.stderr
    answers: dict[str, Any] = json.loads(ended.stdout)
    return answers


def test_a_state_that_does_not_fit_is_told_and_the_one_before_is_kept(found: dict[str, Any]) -> None:
    assert "/state/epoch-0-step-3.pt needs 1,6" in found["state"]
    assert found["state"].startswith("disk full: ")
    assert "the states before it are kept; make room and continue with --resume" in found["state"]
    assert found["kept state"] == 2
    assert found["left over"] == []


def test_a_model_that_does_not_fit_is_told_and_the_one_before_is_kept(found: dict[str, Any]) -> None:
    assert found["model"].startswith("disk full: ")
    assert "/model/model.safetensors needs 814,120 bytes, has " in found["model"]
    assert "the model from before is kept" in found["model"]
    assert found["kept model"] == "softmax"


@pytest.mark.parametrize("place", ["weights", "position"])
def test_a_run_whose_disk_fills_up_ends_in_one_line_and_goes_on(found: dict[str, Any], place: str) -> None:
    status, error, again, ended, epochs = found[place]
    assert status == 1
    assert error.count("\n") == 1
    assert error.startswith("convnets: error: disk full: ")
    assert {"weights": "/model/", "position": "/state/"}[place] in error
    assert "make room and continue with --resume" in error
    assert again == [0, ""]
    assert (ended, epochs) == ("finished", 3)


def test_a_line_that_no_longer_fits_is_told_by_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: EventFile, event: Event) -> None:
        with naming(tmp_path / "events.jsonl"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(EventFile, "__call__", full)
    with pytest.raises(
        RunError, match=r"disk full: .*events\.jsonl cannot be written, [\d,]+ bytes are free; the"
    ):
        train("softmax", "digits", TrainConfig(epochs=1), output=tmp_path / "runs", listeners=())

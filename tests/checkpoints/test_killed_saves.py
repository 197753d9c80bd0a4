"""SIGKILL at every step of a save – half a write, before and after each fsync and rename – and what is there then."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from convnets.checkpoints.model_folder import TrainedModel, load_model, save_model
from convnets.checkpoints.state_folder import LATEST_FILE, StateFolder
from convnets.checkpoints.training_state import TrainingState
from convnets.core.storage.files import remove_left_overs
from convnets.data.preprocess import Preprocess
from convnets.models.catalogue import create_model

pytestmark = pytest.mark.skipif(os.name != "posix", reason="fork and signals")

# One process that imports once and forks for every moment of death. It prints how many moments it found.
SAVER = """
import os, shutil, signal, sys
from pathlib import Path
import safetensors.torch, torch
from convnets.checkpoints.model_folder import TrainedModel, save_model
from convnets.checkpoints.state_folder import StateFolder
from convnets.checkpoints.training_state import TrainingState
from convnets.data.preprocess import Preprocess
from convnets.models.catalogue import create_model

kind, root = sys.argv[1], Path(sys.argv[2])
left = 0

def moment():
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

def between_moments(function):
    def wrapped(*given, **named):
        moment()
        found = function(*given, **named)
        moment()
        return found
    return wrapped

def write_in_halves(path, content):
    with open(path, "wb") as file:
        for part in (content[: len(content) // 2], content[len(content) // 2 :]):
            file.write(part)
            file.flush()
            moment()

def save_half(tensors, name, **named):
    save_file(tensors, name, **named)
    content = Path(name).read_bytes()
    write_in_halves(name, content)

model = TrainedModel(create_model("mlp", in_channels=1, num_classes=2, input_size=2, seed=2), ("x", "y"),
                     Preprocess.plain(1, 2))
save_file = safetensors.torch.save_file
os.fsync, Path.replace = between_moments(os.fsync), between_moments(Path.replace)
Path.write_bytes, safetensors.torch.save_file = write_in_halves, save_half
for number in range(1000):
    folder = root / str(number)
    shutil.copytree(root / "before", folder)
    child = os.fork()
    if child == 0:
        left = number
        if kind == "state":
            StateFolder(folder).save(TrainingState(step=2), {"steps": 2, "w": torch.full((300,), 2.0)})
        else:
            save_model(folder, model)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        print(number)
        break
"""


def die_at_every_moment(warm_python: Any, kind: str, root: Path) -> list[Path]:
    """Folders that saves were killed in, one for each moment, and last one in which the save came to its end."""
    ended = warm_python.run("-c", SAVER, kind, str(root))
    assert ended.returncode == 0, ended.stderr
    return [root / str(number) for number in range(int(ended.stdout) + 1)]


def left_overs(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.endswith(".tmp")]


def test_a_state_is_the_old_one_or_the_new_one(tmp_path: Path, warm_python: Any) -> None:
    states = StateFolder(tmp_path / "before")
    states.save(TrainingState(step=1), {"steps": 1, "w": torch.full((300,), 1.0)})
    found, dirty = [], 0
    for folder in die_at_every_moment(warm_python, "state", tmp_path):
        state, learner = StateFolder(folder).load()
        assert state.step == learner["steps"]
        assert torch.equal(learner["w"], torch.full((300,), float(state.step)))
        found.append(state.step)
        dirty += bool(left_overs(folder))
        for path in left_overs(folder):
            os.utime(path, (1, 1))  # as if it had been left before this process began
        StateFolder(folder).save(TrainingState(step=3), {"steps": 3})
        names = {path.name for path in folder.iterdir()}
        assert names <= {"epoch-0-step-3.pt", f"epoch-0-step-{state.step}.pt", LATEST_FILE}
        assert StateFolder(folder).load()[0].step == 3
    assert len(found) >= 16  # two writes, each in halves, with two fsyncs and a rename, before and after each
    assert found == sorted(found)
    assert set(found) == {1, 2}
    assert dirty >= 6


def test_a_model_is_the_old_one_or_the_new_one(tmp_path: Path, warm_python: Any) -> None:
    old = create_model("softmax", in_channels=1, num_classes=3, input_size=2, seed=1)
    before = TrainedModel(old, ("a", "b", "c"), Preprocess.plain(1, 2))
    save_model(tmp_path / "before", before)
    new = create_model("mlp", in_channels=1, num_classes=2, input_size=2, seed=2)
    expected = {("a", "b", "c"): old.state_dict(), ("x", "y"): new.state_dict()}
    found, dirty = [], 0
    for folder in die_at_every_moment(warm_python, "model", tmp_path):
        model = load_model(folder)
        weights = model.network.state_dict()
        assert all(torch.equal(weights[name], value) for name, value in expected[model.classes].items())
        found.append(len(model.classes))
        dirty += bool(left_overs(folder))
        for path in left_overs(folder):
            os.utime(path, (1, 1))
        save_model(folder, before)
        assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert len(found) >= 24
    assert found == sorted(found, reverse=True)
    assert set(found) == {2, 3}
    assert dirty >= 6


def test_left_overs_are_ours_and_older_than_this_process(tmp_path: Path) -> None:
    ours, fresh = tmp_path / ".config.json.abcd_123.tmp", tmp_path / ".config.json.wxyz5678.tmp"
    others = [tmp_path / name for name in ("notes.tmp", ".notes.tmp", ".x.ABCD1234.tmp", "config.json")]
    for path in (ours, fresh, *others):
        path.write_text("half of it")
    for path in (ours, *others):
        os.utime(path, (1, 1))
    folder = tmp_path / ".folder.abcd1234.tmp"
    folder.mkdir()
    remove_left_overs(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([fresh, *others, folder])
    remove_left_overs(tmp_path / "none")

"""States on disk: the newest that is whole is found, damage is named, nothing is ever executed."""

from __future__ import annotations

import errno
import json
import os
import pickle
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from convnets.checkpoints import state_folder
from convnets.checkpoints.state_folder import LATEST_FILE, StateFolder
from convnets.checkpoints.training_state import TrainingState
from convnets.errors import RunError


def learner(steps: int = 7) -> dict[str, Any]:
    return {
        "network": {"w": torch.arange(40.0) * steps},
        "optimizer": {"state": {0: {"step": 3}}},
        "steps": steps,
    }


@pytest.fixture
def states(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "state")


def test_the_newest_comes_back_as_it_was(states: StateFolder) -> None:
    states.save(TrainingState(epochs=1), learner(1))
    states.save(TrainingState(epochs=1, step=5, seconds=2.5, best_score=(0.5, -1.0)), learner(2))
    state, found = states.load()
    assert state == TrainingState(epochs=1, step=5, seconds=2.5, best_score=(0.5, -1.0))
    assert torch.equal(found["network"]["w"], learner(2)["network"]["w"])
    assert found["steps"] == 2


def test_the_last_ones_are_kept(states: StateFolder) -> None:
    for step in range(1, 6):
        states.save(TrainingState(step=step), learner())
    states.save(TrainingState(epochs=1), learner())
    names = sorted(path.name for path in states.path.iterdir())
    assert names == ["epoch-0-step-5.pt", "epoch-1-step-0.pt", LATEST_FILE]


def test_a_state_saved_twice_is_listed_once(states: StateFolder) -> None:
    states.save(TrainingState(step=1), learner(1))
    states.save(TrainingState(step=2), learner(2))
    states.save(TrainingState(step=2), learner(3))
    listed = json.loads((states.path / LATEST_FILE).read_text())["states"]
    assert [entry["file"] for entry in listed] == ["epoch-0-step-2.pt", "epoch-0-step-1.pt"]
    assert states.load()[1]["steps"] == 3


def test_every_flipped_byte_is_seen(states: StateFolder) -> None:
    file = states.save(TrainingState(), learner())
    content = file.read_bytes()
    for place in range(0, len(content), 97):
        damaged = bytearray(content)
        damaged[place] ^= 0x10
        file.write_bytes(damaged)
        with pytest.raises(RunError, match=r"epoch-0-step-0\.pt is damaged: its SHA-256"):
            states.load()


def test_a_state_that_is_missing_or_cut_is_named_with_a_remedy(states: StateFolder) -> None:
    with pytest.raises(RunError, match="cut off before its first save"):
        states.load()
    states.save(TrainingState(step=1), learner())
    file = states.save(TrainingState(step=2), learner())
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(RunError, match=rf"100 of {size:,} bytes; delete it .* go on from epoch-0-step-1"):
        states.load()
    file.unlink()
    with pytest.raises(RunError, match=r"epoch-0-step-2\.pt cannot be read: No such file"):
        states.load()


class Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def _replace(states: StateFolder, data: bytes) -> None:
    """Put `data` in the newest state's place, with the right size and hash."""
    import hashlib

    path = states.path / LATEST_FILE
    content = json.loads(path.read_text())
    entry = content["states"][0]
    entry["bytes"], entry["sha256"] = len(data), hashlib.sha256(data).hexdigest()
    path.write_text(json.dumps(content))
    (states.path / entry["file"]).write_bytes(data)


def test_a_payload_is_refused_and_never_run(states: StateFolder, tmp_path: Path) -> None:
    sentinel = tmp_path / "sentinel"
    states.save(TrainingState(), learner())
    _replace(states, pickle.dumps(Payload(sentinel)))
    with pytest.raises(RunError, match="is damaged"):
        states.load()
    path = tmp_path / "evil.pt"
    torch.save({"format_version": 2, "state": {}, "learner": Payload(sentinel)}, path)
    _replace(states, path.read_bytes())
    with pytest.raises(RunError, match="is damaged"):
        states.load()
    assert not sentinel.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format_version": 2, "states": []}',
        '{"format_version": 2, "states": [{"file": "../x.pt", "bytes": 1, "sha256": "", "epochs": 0, "step": 0}]}',
        '{"format_version": 2, "states": [{"file": "epoch-0-step-0.pt"}]}',
        "[" * 100_000,
    ],
)
def test_a_list_that_makes_no_sense_is_refused(states: StateFolder, text: str) -> None:
    states.save(TrainingState(), learner())
    (states.path / LATEST_FILE).write_text(text)
    with pytest.raises(RunError, match=r"latest\.json is damaged"):
        states.load()


def test_a_newer_format_is_refused(states: StateFolder) -> None:
    states.save(TrainingState(), learner())
    (states.path / LATEST_FILE).write_text('{"format_version": 99, "states": []}')
    with pytest.raises(RunError, match="format version 99; this convnets reads 2"):
        states.load()


def test_a_full_disk_keeps_what_was_there(states: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    states.save(TrainingState(step=1), learner(1))

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(state_folder, "write_bytes", full)
    with pytest.raises(RunError, match=r"disk full: .*epoch-0-step-2\.pt needs [\d,]+ bytes, has [\d,]+"):
        states.save(TrainingState(step=2), learner(2))
    monkeypatch.undo()
    assert states.load()[0].step == 1
    assert not list(states.path.glob("*.tmp"))


WRITER = """
import sys, torch
from convnets.checkpoints.state_folder import StateFolder
from convnets.checkpoints.training_state import TrainingState
states = StateFolder(sys.argv[1])
print("ready", flush=True)
for step in range(1, 100_000):
    states.save(TrainingState(step=step), {"steps": step, "w": torch.full((20_000,), float(step))})
"""


def test_a_process_killed_while_it_writes_leaves_a_whole_state(states: StateFolder, warm_python: Any) -> None:
    """Several kills, each at another moment of write, fsync and rename."""
    seen = []
    for pause in (0.05, 0.081, 0.113, 0.147):
        process = warm_python.start("-c", WRITER, str(states.path), stdout=subprocess.PIPE)
        assert process.stdout.readline() == "ready\n"
        while not (states.path / LATEST_FILE).exists():
            time.sleep(0.01)
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        state, found = states.load()
        assert state.step == found["steps"]
        assert torch.equal(found["w"], torch.full((20_000,), float(state.step)))
        seen.append(state.step)
    assert max(seen) > 1

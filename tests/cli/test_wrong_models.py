"""Folders that are no models and no runs, or damaged ones: each refused in one line by every command that reads it."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convnets.checkpoints.model_config import sealed
from convnets.training.runs.run import Run


def _config(folder: Path, **changes: Any) -> None:
    path = folder / "model" / "config.json"
    path.write_text(json.dumps(sealed(json.loads(path.read_text()) | changes)))


def _weights(folder: Path) -> Path:
    return folder / "model" / "model.safetensors"


def _truncate(folder: Path) -> None:
    content = _weights(folder).read_bytes()
    _weights(folder).write_bytes(content[:1000])


def _pickle(folder: Path) -> None:
    content = pickle.dumps({"weights": 1})
    _weights(folder).write_bytes(content)
    from convnets.core.storage.files import sha256_of_file

    stated = {"file": "model.safetensors", "bytes": len(content), "sha256": sha256_of_file(_weights(folder))}
    _config(folder, weights=stated)


def _other_class_count(folder: Path) -> None:
    architecture = json.loads((folder / "model" / "config.json").read_text())["architecture"]
    architecture["arguments"]["num_classes"] = 7
    _config(folder, architecture=architecture)


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty model folder": (
        lambda f: [path.unlink() for path in (f / "model").iterdir()],
        "model holds no config.json; give a run or a model folder",
    ),
    "no model yet": (lambda f: shutil.rmtree(f / "model"), "has no model: it was cut off in its first epoch"),
    "weights are missing": (lambda f: _weights(f).unlink(), "model.safetensors is missing"),
    "truncated weights": (_truncate, "model.safetensors is damaged: 1000 of"),
    "pickle in disguise": (_pickle, "model.safetensors is not a safetensors file"),
    "other class count": (_other_class_count, "weights of another network: "),
    "other network": (
        lambda f: _config(f, architecture={"name": "lenet_xx", "arguments": {}}),
        "unknown network 'lenet_xx'; nearest: lenet",
    ),
    "newer format": (
        lambda f: _config(f, format_version=99),
        "has format version 99; this convnets reads 1 to 2; install a newer one",
    ),
    "not our JSON": (lambda f: (f / "model" / "config.json").write_text("{}"), "is not the configuration of"),
    "no JSON": (lambda f: (f / "model" / "config.json").write_text("{"), "config.json is not JSON"),
    "metrics of another kind": (lambda f: _config(f, metrics=[1]), "lacks or mistypes"),
}


@pytest.fixture
def copy(digits_run: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(digits_run.path, tmp_path / "copy"))


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_model_is_refused(refused: Callable[..., str], copy: Path, kind: str) -> None:
    spoil, line = WRONG[kind]
    spoil(copy)
    assert line in refused(1, "evaluate", copy)
    assert line in refused(1, "predict", copy, "picture.png")


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_what_is_no_folder_of_ours_is_refused(
    refused: Callable[..., str], tmp_path: Path, digits_run: Run, command: str
) -> None:
    more = ["picture.png"] if command == "predict" else []
    file = tmp_path / "file.txt"
    file.write_text("text")
    assert f"{file} is a file; give the model folder" in refused(1, command, file, *more)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert f"{empty} holds no config.json; give a run or a model folder" in refused(1, command, empty, *more)
    above = digits_run.path.parent
    line = f"{above} holds no config.json; give a run or a model folder, such as {digits_run.path}"
    assert line in refused(1, command, above, *more)


def test_a_model_folder_is_no_run(refused: Callable[..., str], digits_run: Run) -> None:
    for command in (("compare",), ("train", "--resume")):
        assert "is not a run: it lacks" in refused(1, *command, digits_run.path / "model")


@pytest.mark.parametrize(
    ("file", "content", "line"),
    [
        ("config.json", b"{}", "config.json is damaged: it lacks network, data, options"),
        ("config.json", b"[]", "config.json is damaged: it is no JSON object"),
        ("config.json", b"\xff", "config.json cannot be read"),
        ("metrics.csv", b"a,b\n1,x\n", "metrics.csv is damaged"),
        ("metrics.csv", b"\xff\xfe", "metrics.csv is damaged"),
        ("model/config.json", b'{"metrics": 3}', "config.json is damaged: its metrics are 3"),
    ],
)
def test_a_damaged_run_is_refused(
    refused: Callable[..., str], copy: Path, file: str, content: bytes, line: str
) -> None:
    (copy / file).write_bytes(content)
    assert line in refused(1, "compare", copy)


@pytest.mark.parametrize("content", [b"[]\n", b"\xff\xfe{", b"", b'{"event": "RunEn'])
def test_a_cut_off_log_is_a_run_that_did_not_end(
    convnets: Callable[..., Any], copy: Path, content: bytes
) -> None:
    (copy / "events.jsonl").write_bytes(content)
    assert convnets("compare", copy, "--json").json["runs"][0]["status"] == "cut off"


def test_a_damaged_state_is_refused(refused: Callable[..., str], copy: Path) -> None:
    newest = json.loads((copy / "state" / "latest.json").read_text())["states"][0]["file"]
    (copy / "state" / newest).write_bytes(b"xxxx")
    (copy / "events.jsonl").write_text('{"event": "RunEnded", "reason": "interrupted"}\n')
    assert f"{newest} is damaged: 4 of" in refused(1, "train", "--resume", copy)

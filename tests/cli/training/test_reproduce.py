"""`convnets reproduce`: what it writes, how it ends, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
Refused = Callable[..., str]
SMALL = ("--data", "digits", "--precision", "fp32")


def test_rows_a_table_and_files(convnets: Command, tmp_path: Path) -> None:
    output = tmp_path / "mine"
    ended = convnets("reproduce", "lenet", "--seeds", 2, "--epochs", 1, *SMALL, "--output", output)
    assert (ended.status, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0].startswith("lenet-0: run 1 of 2 ─")
    assert any(line.startswith("lenet-1: run 2 of 2 ─") for line in lines)
    assert sum("1/1 " in line for line in lines) == 2
    assert any(line.startswith("network ") and line.endswith("wall clock") for line in lines)
    assert "lenet (digits)  1 of 10      2" in ended.out
    assert lines[-1] == f"results: {output / 'reproduction.md'}, .json, .svg and .png"
    listed = convnets("runs", output / "runs").out
    assert listed.count("finished") == 2
    assert convnets("compare", output / "runs" / "lenet-0", output / "runs" / "lenet-1").status == 0


def test_json_is_the_file(convnets: Command, tmp_path: Path) -> None:
    arguments = ("reproduce", "lenet", "--epochs", 1, *SMALL, "-o", tmp_path / "mine")
    ended = convnets(*arguments, "--seeds", 1, "--first-seed", 3, "--json")
    assert (ended.status, ended.err) == (0, "")
    assert ended.json == json.loads((tmp_path / "mine" / "reproduction.json").read_text())
    assert [run["name"] for run in ended.json["networks"][0]["runs"]] == ["lenet-3"]
    more = convnets(*arguments, "--seeds", 2, "--first-seed", 3, "--resume", "--json")
    assert more.json["networks"][0]["ours"]["test_accuracy"]["n"] == 2
    assert more.json["networks"][0]["runs"][0] == ended.json["networks"][0]["runs"][0]
    quiet = convnets(*arguments, "--seeds", 2, "--first-seed", 3, "--resume", "--quiet")
    assert (quiet.status, quiet.out, quiet.err) == (0, "", "")


def test_what_is_refused(refused: Refused, tmp_path: Path) -> None:
    assert "'lenett'; nearest: lenet" in refused(2, "reproduce", "lenett")
    assert "nearest: resnet18_d2l" in refused(2, "reproduce", "resnet18")
    assert "seeds is 0; allowed: 1 or more" in refused(2, "reproduce", "lenet", "--seeds", 0)
    assert "'two'; allowed: a whole number" in refused(2, "reproduce", "lenet", "--seeds", "two")
    assert "epochs is 0; allowed: 1 to" in refused(2, "reproduce", "lenet", "--epochs", 0)
    assert "--first-seed 5 without --seeds" in refused(2, "reproduce", "lenet", "--first-seed", 5)
    assert "seed is -1; allowed: 0" in refused(2, "reproduce", "lenet", "--first-seed", -1, "--seeds", 1)
    assert "--json and --quiet exclude" in refused(2, "reproduce", "lenet", "--json", "--quiet")
    assert "unknown data set" in refused(2, "reproduce", "lenet", "--data", "none", "-o", tmp_path / "new")
    assert "precision 'fp8'; nearest: fp32" in refused(
        2, "reproduce", "--precision", "fp8", "-o", tmp_path / "new"
    )
    assert not (tmp_path / "new").exists()
    (tmp_path / "runs" / "x").mkdir(parents=True)
    line = refused(1, "reproduce", "lenet", "-o", tmp_path)
    assert line == f"{tmp_path} holds a reproduction; continue it with --resume, or choose another --output"


def test_a_failed_run_is_the_commands_failure(
    convnets: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convnets.errors import TrainingError
    from convnets.training.learner import Learner

    def fail(*_: object) -> None:
        raise TrainingError("loss is nan")

    monkeypatch.setattr(Learner, "step", fail)
    ended = convnets("reproduce", "lenet", "--seeds", 2, "--epochs", 1, *SMALL, "-o", tmp_path / "mine")
    assert ended.status == 1
    assert ended.err == "convnets: error: 2 of 2 runs failed: lenet-0, lenet-1; failed: loss is nan\n"
    assert "Not in the figures: lenet-0 (failed: loss is nan, 0 of 1 epochs)" in ended.out
    results = tmp_path / "mine" / "reproduction.md"
    assert ended.out.splitlines()[-1] == f"results: {results} and .json"
    assert not results.with_suffix(".svg").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals are others there")
def test_ctrl_c_ends_with_what_is_there_and_resume_goes_on(
    convnets: Command, tmp_path: Path, warm_python: Any
) -> None:
    output = tmp_path / "mine"
    arguments = ("reproduce", "lenet_bn", "--seeds", "2", "--epochs", "6", *SMALL, "--output", str(output))
    process = warm_python.start(
        *("-m", "convnets", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert any("run 2 of 2" in line for line in process.stdout)
    assert any("1/6" in line for line in process.stdout)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "convnets: interrupted\n")
    assert "lenet_bn (digits)  6 of 10      1" in out
    assert "Not in the figures: lenet_bn-1 (interrupted, " in out
    assert "go on: the same command with --resume" in out.splitlines()[-1]
    ended = convnets(*arguments, "--resume")
    assert (ended.status, ended.err) == (0, "")
    assert "going on after epoch" in ended.out
    assert "lenet_bn (digits)  6 of 10      2" in ended.out


@pytest.mark.skipif(os.name != "posix", reason="pipes end otherwise there")
def test_a_reader_that_goes_away(tmp_path: Path, warm_python: Any) -> None:
    command = ["-m", "convnets", "reproduce", "lenet", "--epochs", "5000", *SMALL]
    process = warm_python.start(
        *(*command, "-o", str(tmp_path / "mine")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert any("run 1 of 10" in line for line in process.stdout)
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 1
    assert errors.startswith("convnets: error: standard output was closed and training ended with it; ")
    assert errors.count("\n") == 1

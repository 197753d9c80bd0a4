"""`convnets train`: options, what it writes, and how it is interrupted and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from convnets.cli.training.train import train as command
from convnets.training.config import TrainConfig
from convnets.training.runs.run import Run

Command = Callable[..., Any]
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals are others there")


def test_every_option_of_a_run_is_an_option_of_the_command(
    convnets: Command, started: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    given: dict[str, Any] = {
        "epochs": 7,
        "learning_rate": 0.25,
        "nesterov": False,
        "normalize": False,
        "balanced_validation": True,
        "augment": ("flip", "crop:2"),
        "step_epochs": (2, 5),
        "schedule": "step",
        "patience": 3,
        "max_minutes": 1.5,
        "ema_decay": 0.9,
    }
    arguments: list[str] = []
    for name, value in given.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            arguments.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            arguments += [f"--{flag}", ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
    assert convnets("train", "lenet", "--output", tmp_path, *arguments).status == 0
    network, data, config, _ = started[0]
    assert (network, data, config) == ("lenet", "digits", TrainConfig(**given))
    offered = command.__signature__.parameters  # type: ignore[attr-defined]
    assert {field.name for field in fields(TrainConfig)} <= offered.keys()


def test_the_command_line_wins_over_the_file_and_the_file_over_the_recipe(
    convnets: Command, started: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    file = tmp_path / "options.toml"
    file.write_text("epochs = 3\nbatch_size = 64\n")
    convnets("train", "--recipe", "notes/lenet", "--config", file, "--epochs", 4, "--output", tmp_path)
    network, data, config, _ = started[0]
    assert (network, data) == ("lenet", "fashion-mnist")
    assert (config.epochs, config.batch_size, config.learning_rate) == (4, 64, 0.9)


def test_a_recipes_name_in_the_place_of_a_networks_is_that_recipe(
    convnets: Command, started: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    convnets("train", "notes/lenet", "--epochs", 4, "--output", tmp_path)
    network, data, config, _ = started[0]
    assert (network, data, config.epochs, config.learning_rate) == ("lenet", "fashion-mnist", 4, 0.9)
    assert "unknown recipe 'notes/lenets'; nearest: notes/lenet" in convnets("train", "notes/lenets").err


def test_rows_for_people(convnets: Command, tmp_path: Path) -> None:
    ended = convnets("train", "mlp", "--epochs", 2, "--output", tmp_path, "--name", "mine")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.splitlines()[0].startswith("mlp: 203,530 parameters")
    assert ended.out.endswith(f"report: {tmp_path / 'mine' / 'report.html'}\n")
    assert "\x1b" not in ended.out
    assert Run(tmp_path / "mine").status == "finished"


def test_running_twice_makes_two_runs(convnets: Command, tmp_path: Path) -> None:
    for _ in range(2):
        ended = convnets("train", "mlp", "--epochs", 1, "--output", tmp_path, "--quiet")
        assert (ended.status, ended.out, ended.err) == (0, "", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlp-digits-1", "mlp-digits-2"]


def test_a_line_of_json_per_event_for_scripts(convnets: Command, tmp_path: Path) -> None:
    ended = convnets("train", "mlp", "--epochs", 2, "--output", tmp_path, "--json")
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert (events[0]["event"], events[-1]["event"]) == ("RunStarted", "RunEnded")
    assert [event["epoch"] for event in events if event["event"] == "EpochEnded"] == [1, 2]


def test_a_folder_of_pictures(convnets: Command, pictures: Path, tmp_path: Path) -> None:
    arguments = ("--data", pictures, "--epochs", 1, "--size", 8, "--batch-size", 16, "--output", tmp_path)
    assert "8 images" in convnets("train", "softmax", *arguments).out


def _start(warm_python: Any, *arguments: object) -> Any:
    return warm_python.start(
        *map(str, arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def _wait_for(process: Any, text: str) -> None:
    assert process.stdout is not None
    assert any(text in line for line in process.stdout)


@POSIX
def test_ctrl_c_leaves_a_run_that_can_be_used_and_gone_on_with(
    convnets: Command, tmp_path: Path, warm_python: Any
) -> None:
    options = ("--data", "digits", "--epochs", 20, "--precision", "fp32", "--output", tmp_path, "--json")
    process = _start(warm_python, "-m", "convnets", "train", "lenet_bn", *options, "--name", "stopped")
    _wait_for(process, '"CheckpointSaved"')
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "convnets: interrupted\n")
    run = Run(tmp_path / "stopped")
    assert run.status == "interrupted"
    assert 1 <= len(run.metrics) < 20
    assert convnets("evaluate", run.path, "--part", "validation").status == 0
    assert convnets("train", "--resume", run.path, "--quiet").status == 0
    assert Run(run.path).status == "finished"
    assert len(Run(run.path).metrics) == 20


@POSIX
def test_ctrl_c_before_there_is_a_run_is_one_line(tmp_path: Path, warm_python: Any) -> None:
    code = (
        "import time, convnets.training.task as task\n"
        "from convnets.cli.main import run\n"
        "def load(*_, **__):\n    print('loading', flush=True)\n    time.sleep(60)\n"
        "task.load_data = load\n"
        f"run(['train', 'mlp', '--output', {str(tmp_path / 'runs')!r}])\n"
    )
    process = _start(warm_python, "-c", code)
    _wait_for(process, "loading")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "convnets: interrupted\n")
    assert list(tmp_path.iterdir()) == []


@POSIX
@pytest.mark.parametrize("how", [(), ("--json",)])
def test_a_reader_that_goes_away_ends_the_run_well(
    tmp_path: Path, how: tuple[str, ...], warm_python: Any
) -> None:
    options = ("--epochs", 100_000, "--output", tmp_path, "--name", "unread", *how)
    process = _start(warm_python, "-m", "convnets", "train", "mlp", *options)
    _wait_for(process, "mlp")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 1
    assert errors.startswith("convnets: error: standard output was closed and training ended with it; ")
    assert errors.count("\n") == 1
    assert Run(tmp_path / "unread").status == "interrupted"


def test_an_encoding_without_the_star_is_no_reason_to_fail(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    arguments = [sys.executable, "-m", "convnets", "train", "mlp", "--epochs", "1", "--output", str(tmp_path)]
    ended = subprocess.run(arguments, capture_output=True, check=False, env=environment)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"? best" in ended.stdout

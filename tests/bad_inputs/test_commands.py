"""Bad inputs on the command line, through the real command: one line, exit code, no traceback, nothing written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

Refused = Callable[..., str]

# what is wrong: (exit status, arguments, what the line says: value, what is allowed, remedy)
COMMANDS: dict[str, tuple[int, tuple[str, ...], list[str]]] = {
    "unknown network": (2, ("train", "lenett"), ["'lenett'", "nearest: lenet", "convnets models"]),
    "unknown data set": (2, ("train", "mlp", "--data", "fashion-mnits"), ["'fashion-mnits'", "nearest: fashion-mnist"]),
    "epochs 0": (2, ("train", "mlp", "--epochs", "0"), ["epochs is 0", "allowed: 1 to"]),
    "epochs −1": (2, ("train", "mlp", "--epochs", "-1"), ["epochs is -1", "allowed: 1 to"]),
    "epochs nan": (2, ("train", "mlp", "--epochs", "nan"), ["'nan'", "allowed: a whole number", "--help"]),
    "learning rate inf": (2, ("train", "mlp", "--learning-rate", "inf"), ["learning_rate is inf", "allowed: 0 to"]),
    "output below a file": (1, ("train", "mlp", "--output", "file/runs"), ["file is a file", "choose another output"]),
    "output that cannot be made": (
        1, ("train", "mlp", "--data", "digits", "--output", "/proc/runs"), ["/proc/runs", "choose another output"],
    ),
    "output holds another run": (
        1, ("train", "mlp", "--output", ".", "--name", "other"),
        ["holds another run", "choose another name", "--resume"],
    ),
    "unknown key in a config file": (
        2, ("train", "mlp", "--config", "options.toml"), ["'epoch'", "nearest: epochs", "options.toml"],
    ),
    "run name leads out": (2, ("train", "mlp", "--name", "../x"), ["'../x'", "allowed: a plain file name"]),
    "run name of 300 characters": (2, ("train", "mlp", "--name", "x" * 300), ["…'", "at most 200 bytes"]),
    "data that are not there": (2, ("train", "mlp", "--data", "./none"), ["'./none'", "path of a folder or zip"]),
    "a folder as a config file": (2, ("train", "mlp", "--config", "."), [". cannot be read", "give a TOML file"]),
    "a folder as a report": (2, ("evaluate", "none", "--report", "other"), ["other is a folder", "name of a file"]),
    "a model that is not there": (1, ("evaluate", "none"), ["none does not exist", "give a run or a model folder"]),
    "a file as a model": (1, ("predict", "file", "x.png"), ["file is a file", "config.json and model.safetensors"]),
    "an option that is not there": (2, ("data", "check", ".", "--fast"), ["No such option: --fast"]),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _around(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "metrics.csv").write_text("kept")
    (tmp_path / "options.toml").write_text("epoch = 3\n")


@pytest.mark.parametrize("case", COMMANDS)
def test_command(refused_process: Refused, case: str) -> None:
    status, arguments, said = COMMANDS[case]
    line = refused_process(status, *arguments)
    assert all(words in line for words in said), line


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_without_one(refused_process: Refused) -> None:
    line = refused_process(1, "train", "mlp", "--device", "cuda")
    assert line == "device 'cuda' is not on this machine, which has 0 CUDA devices; use --device auto"


def test_a_name_with_nul(refused: Refused) -> None:
    """No shell can pass one; a script that calls the command line can."""
    assert r"run name 'a\x00b'; allowed: a plain file name" in refused(2, "train", "mlp", "--name", "a\0b")


@pytest.mark.skipif(os.name != "posix", reason="pipes as shells make them")
@pytest.mark.parametrize(
    ("arguments", "status", "lines"),
    [
        (("train", "softmax", "--epochs", "2000", "--precision", "fp32"), 1, 1),
        (("models",), 1, 0),
        (("data", "list", "--json"), 1, 0),
    ],
)
def test_interrupted_pipe(tmp_path: Path, arguments: tuple[str, ...], status: int, lines: int) -> None:
    """The reader goes after the first line, or before it where there is no more than a screenful."""
    command = [sys.executable, "-m", "convnets", *arguments]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        if lines:
            process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(120) == status
    assert "Traceback" not in err
    assert err.count("\n") == lines
    if lines:
        assert "standard output was closed" in err

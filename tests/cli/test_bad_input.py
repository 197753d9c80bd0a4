"""Bad input: one line that names it and the remedy, exit 2 for usage and 1 at run time, and nothing written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from convnets.training.runs.run import Run

Refused = Callable[..., str]

TRAIN = [
    (2, ("lenett",), "unknown network 'lenett'; nearest: lenet"),
    (2, ("",), "unknown network ''"),
    (2, (), "no network; give one"),
    (2, ("mlp", "--data", "fashion-mnits"), "unknown data set 'fashion-mnits'; nearest: fashion-mnist"),
    (2, ("mlp", "--data", "no/such/folder"), "unknown data set 'no/such/folder'; allowed: digits"),
    (2, ("mlp", "--data", ""), "unknown data set ''"),
    (2, ("mlp", "--epochs", "0"), "epochs is 0; allowed: 1 to 1,000,000"),
    (2, ("mlp", "--epochs", "-1"), "epochs is -1; allowed: 1 to"),
    (2, ("mlp", "--epochs", "nan"), "'--epochs': 'nan'; allowed: a whole number; see convnets train --help"),
    (2, ("mlp", "--epochs", "2.5"), "'--epochs': '2.5'; allowed: a whole number"),
    (2, ("mlp", "--learning-rate", "inf"), "learning_rate is inf; allowed: 0 to"),
    (2, ("mlp", "--learning-rate", "nan"), "learning_rate is nan; allowed: 0 to"),
    (2, ("mlp", "--learning-rate", "fast"), "'--learning-rate' / '--lr': 'fast'; allowed: a number"),
    (2, ("mlp", "--optimizer", "adam"), "unknown optimizer 'adam'; nearest: adamw"),
    (2, ("mlp", "--augment", "flip,crp"), "unknown augmentation 'crp'; nearest: crop"),
    (2, ("mlp", "--step-epochs", "3,x"), "step_epochs is '3,x'; allowed: whole numbers with commas"),
    (2, ("mlp", "--epoch", "3"), "No such option: --epoch (Possible options: --epochs"),
    (2, ("mlp", "lenet"), "unexpected extra argument"),
    (2, ("mlp", "--name", "../x"), "run name '../x'; allowed: a plain file name"),
    (2, ("mlp", "--name", "a\0b"), r"run name 'a\x00b'; allowed: a plain file name"),
    (2, ("mlp", "--name", "x" * 300), "…'; allowed: a plain file name of at most 200 bytes"),
    (2, ("mlp", "--name", ""), "run name ''; allowed"),
    (2, ("mlp", "--json", "--quiet"), "--json and --quiet exclude each other"),
    (2, ("mlp", "--resume", "runs/x"), "--resume goes on with a run as it was started"),
    (2, ("mlp", "--config", "no.toml"), "no.toml cannot be read"),
    (2, ("mlp", "--recipe", "notes/lenet"), "recipe notes/lenet trains lenet, not mlp"),
    (2, ("--recipe", "notes/lenet_b"), "unknown recipe 'notes/lenet_b'; nearest: notes/lenet_bn"),
    (1, ("--resume", "runs/none"), "runs/none does not exist; give the directory that `convnets train` made"),
]


@pytest.mark.parametrize(("status", "arguments", "line"), TRAIN, ids=[line for _, _, line in TRAIN])
def test_train_refuses(
    refused: Refused,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    arguments: tuple[str, ...],
    line: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert line in refused(status, "train", *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("epoch = 3", "unknown option 'epoch'; nearest: epochs"),
        ("epochs = 'x'", "epochs is 'x'; allowed: a whole number"),
        ("epochs = true", "epochs is True; allowed: a whole number"),
        ("augment = 1", "augment is 1; allowed: a list"),
        ("learning_rate = inf", "learning_rate is inf; allowed: 0 to"),
        ("epochs 3", "options.toml is not TOML"),
        (b"\xff\xfe", "options.toml is not TOML"),
    ],
)
def test_train_refuses_a_wrong_config_file(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | bytes, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "options.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert line in refused(2, "train", "mlp", "--config", path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_where_there_is_none(refused: Refused, tmp_path: Path, digits_run: Run) -> None:
    output = tmp_path / "runs"
    line = "device 'cuda' is not on this machine, which has 0 CUDA devices; use --device auto"
    assert refused(1, "train", "mlp", "--device", "cuda", "--output", output) == line
    assert refused(1, "evaluate", digits_run.path, "--device", "cuda") == line
    assert refused(1, "predict", digits_run.path, "x.png", "--device", "cuda") == line
    assert not output.exists()


def test_an_output_that_cannot_be_written_is_refused_before_the_data_are_read(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the data were read")

    monkeypatch.setattr("convnets.training.task.load_data", never)
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert refused(1, "train", "mlp", "--output", blocked) == f"{blocked} is a file; choose another output"
    monkeypatch.setattr("os.access", lambda path, mode: not mode & os.W_OK)  # the tests may run as root
    assert "permission denied; choose another output" in refused(
        1, "train", "mlp", "--output", tmp_path / "a"
    )
    assert list(tmp_path.iterdir()) == [blocked]


def test_an_output_that_holds_another_run_is_refused_and_kept(refused: Refused, tmp_path: Path) -> None:
    other = tmp_path / "mine"
    other.mkdir()
    (other / "metrics.csv").write_text("kept")
    line = refused(1, "train", "mlp", "--output", tmp_path, "--name", "mine")
    assert (
        line == f"{other} holds another run or other files; choose another name, or continue it with --resume"
    )
    assert (other / "metrics.csv").read_text() == "kept"
    assert list(other.iterdir()) == [other / "metrics.csv"]


def test_a_finished_run_is_not_resumed(refused: Refused, digits_run: Run) -> None:
    assert "has ended (finished)" in refused(1, "train", "--resume", digits_run.path)


@pytest.mark.parametrize(
    ("status", "arguments", "line"),
    [
        (2, ("foo",), "No such command 'foo'; see convnets --help"),
        (2, ("trian",), "Did you mean 'train'"),
        (2, ("data", "lst"), "Did you mean 'list'"),
        (2, ("models", "zzz*"), "unknown network 'zzz*'"),
        (2, ("models", "resnet"), "unknown network 'resnet'; nearest: resnet"),
        (2, ("summary",), "Missing argument 'MODEL'; see convnets summary --help"),
        (2, ("summary", "resnet81"), "unknown network 'resnet81'; nearest: resnet"),
        (2, ("summary", "lenet", "--size", "0"), "input_size is 0; allowed: a whole number from 1"),
        (2, ("summary", "resnet18", "--size", "0"), "input_size is 0; allowed: a whole number from 1"),
        (2, ("summary", "lenet", "--size", "5"), "lenet needs at least 12 pixels"),
        (2, ("summary", "lenet", "--size", "big"), "'--size': 'big'; allowed: a whole number"),
        (2, ("summary", "lenet", "--num-classes", "0"), "num_classes is 0"),
        (2, ("summary", "lenet", "--input", "1x"), "--input is '1x'; allowed: C×H×W such as 1x64x64"),
        (2, ("summary", "lenet", "--input", "1x0x8"), "--input is '1x0x8'; allowed: whole numbers from 1"),
        (2, ("summary", "lenet", "--depth", "0"), "depth is 0; allowed: 1 or more"),
        (2, ("summary", "lenet", "--sizes", "28,x"), "'x'; allowed: a whole number"),
        (2, ("summary", "lenet", "--sizes", "9:3:1"), "--sizes '9:3:1' are 0 sizes"),
        (2, ("summary", "lenet", "--sizes", "28", "--items"), "--sizes makes a table of its own"),
        (2, ("diff", "lenet"), "Missing argument 'B'; see convnets diff --help"),
        (2, ("diff", "lenet", "lenett"), "unknown network 'lenett'; nearest: lenet"),
        (2, ("diff", "lenet", "vgg11", "--input", "32"), "lenet, input 1×32×32: layer hidden.1 (Linear) got"),
        (2, ("scatter", "zzz*"), "unknown network 'zzz*'"),
        (2, ("scatter", "lenet", "-o", "x.pdf"), "x.pdf: allowed is a name that ends in .png or .svg"),
        (2, ("scatter", "lenet", "--rounds", "0"), "rounds is 0; allowed: 1 or more"),
        (2, ("scatter", "lenet", "--seconds", "nan"), "seconds is nan; allowed: above 0"),
        (1, ("summary", "runs/none"), "runs/none does not exist; give a run or a model folder"),
        (2, ("data", "download", "mnits"), "unknown data set 'mnits'; nearest: mnist"),
        (2, ("data", "show", "mnits"), "unknown data set 'mnits'; nearest: mnist"),
        (2, ("data", "show", "digits", "--count", "0"), "count is 0; allowed: 1 or more"),
        (2, ("data", "show", "digits", "--augment", "crop:x"), "'crop:x' has no number after the colon"),
        (2, ("data", "show", "digits", "--mixup", "nan"), "alpha is nan; allowed"),
        (2, ("data", "show", "digits", "-o", "x.txt"), "allowed: a name that ends in .png"),
        (2, ("data", "show", "digits", "-o", "."), ". is a folder; give the name of a file in it"),
        (2, ("compare",), "Missing argument 'RUN'; see convnets compare --help"),
        (1, ("compare", "none"), "none does not exist; give the directory that `convnets train` made"),
        (1, ("evaluate", "none"), "none does not exist; give a run or a model folder"),
        (1, ("predict", "none", "x.png"), "none does not exist; give a run or a model folder"),
        (2, ("predict", "none"), "Missing argument 'IMAGE'; see convnets predict --help"),
        (2, ("predict", "none", "x", "--csv", "--json"), "--csv and --json exclude each other"),
    ],
)
def test_other_commands_refuse(
    refused: Refused,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    arguments: tuple[str, ...],
    line: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert line in refused(status, *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "arguments", "line"),
    [
        (2, ("--views", "3"), "views is 3; allowed: 1"),
        (2, ("--views", "many"), "'--views': 'many'; allowed: a whole number"),
        (2, ("--mistakes", "-1"), "mistakes is -1; allowed: 0 or more"),
        (2, ("--part", "tset"), "part 'tset' of digits; allowed: train, validation, test"),
        (2, ("--precision", "fp64"), "precision is 'fp64'; allowed: auto, fp32, bf16"),
        (2, ("--report", "."), ". is a folder; give the name of a file in it"),
        (2, ("--report", "x" * 300), "is too long; allowed: at most 200 bytes"),
    ],
)
def test_evaluate_refuses(
    refused: Refused,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    digits_run: Run,
    status: int,
    arguments: tuple[str, ...],
    line: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert line in refused(status, "evaluate", digits_run.path, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_files_that_cannot_be_written_are_refused_before_the_work(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits_run: Run
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the work was begun")

    monkeypatch.setattr("convnets.serving.evaluation.evaluate_model", never)
    monkeypatch.setattr("convnets.training.runs.comparison.compare_runs", never)
    monkeypatch.setattr("convnets.data.sources.load_data", never)
    file = tmp_path / "file"
    file.write_text("")
    for command in (
        ("evaluate", digits_run.path, "--report", file / "x.html"),
        ("compare", digits_run.path, "--picture", file / "x.svg"),
        ("data", "show", "digits", "--output", file / "x.png"),
    ):
        assert f"{file} is a file; choose another place" in refused(1, *command)
    monkeypatch.setattr("os.access", lambda path, mode: not mode & os.W_OK)
    report = tmp_path / "x.html"
    line = f"{report} cannot be written: permission denied; choose another place"
    assert refused(1, "evaluate", digits_run.path, "--report", report) == line

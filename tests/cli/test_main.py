"""The program as a whole: its help, how it ends, and what it does not load."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from convnets.cli import main
from convnets.cli.inspection import models
from convnets.cli.main import app, run

COMMANDS = (
    *("models", "summary", "draw", "field", "diff", "scatter", "train", "evaluate", "health"),
    *(
        "calibrate",
        "predict",
        "serve",
        "studio",
        "export",
        "explain",
        "features",
        "filters",
        "patches",
        "ablate",
        "embed-map",
    ),
    *("cross-validate", "label-errors", "replicate", "tune", "lr-find", "learning-curve"),
    *("regularization", "bias-variance"),
    *("runs", "compare", "recipes", "reproduce", "bench", "study"),
)
GROUPS = ("data", "index")
DATA_COMMANDS = ("list", "download", "show")
ALL = [*((command,) for command in COMMANDS), ("data",), *(("data", command) for command in DATA_COMMANDS)]


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_the_help_lists_every_command_on_one_line(convnets: Callable[..., Any]) -> None:
    ended = convnets("--help")
    assert ended.status == 0
    listed = ended.out[ended.out.index("Commands:") :].splitlines()[1:]
    assert [line.split()[0] for line in listed] == [*COMMANDS, *GROUPS]
    assert not any("..." in line for line in listed)  # no summary is cut off
    assert max(map(len, ended.out.splitlines())) <= 80


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_every_command_helps_with_an_example(convnets: Callable[..., Any], command: tuple[str, ...]) -> None:
    ended = convnets(*command, "--help")
    assert (ended.status, ended.err) == (0, "")
    assert "Example: convnets " + command[0] in " ".join(ended.out.split())
    assert convnets(*command, "-h").out == ended.out


def test_every_option_says_what_it_is_for() -> None:
    def check(command: Any) -> None:
        for parameter in command.params:
            assert parameter.help or parameter.name == "help", (command.name, parameter.name)
        for below in getattr(command, "commands", {}).values():
            check(below)

    check(typer.main.get_command(app))


@pytest.mark.parametrize("command", [(), ("data",)])
def test_without_a_command_the_help_appears(convnets: Callable[..., Any], command: tuple[str, ...]) -> None:
    ended = convnets(*command)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("Usage: convnets")
    assert "Commands:" in ended.err


def test_the_version(convnets: Callable[..., Any]) -> None:
    from convnets import __version__

    assert convnets("--version").out == f"convnets {__version__}\n"


@pytest.mark.parametrize(
    "code",
    [
        "import convnets",
        "import convnets; convnets.list_models()",
        "from convnets.cli.main import run; run(['--help'])",
        "from convnets.cli.main import run; run(['train', '--help'])",
        "from convnets.cli.main import run; run(['models'])",
        "from convnets.cli.main import run; run(['recipes'])",
        "from convnets.cli.main import run; run(['train', 'lenett'])",
    ],
)
def test_what_needs_no_pytorch_does_not_load_it(code: str) -> None:
    heavy = ("torch", "numpy", "matplotlib", "PIL", "sklearn")
    found = python(
        f"import sys\ntry:\n    {code}\nexcept SystemExit: pass\n"
        f"print('loaded', [name for name in {heavy} if name in sys.modules])"
    )
    assert found.stdout.splitlines()[-1] == "loaded []"


def test_training_and_answering_load_nothing_that_they_do_not_use(tmp_path: Path) -> None:
    """Half of a command's start was scikit-learn and pandas, which only groups of rows need."""
    heavy = ("sklearn", "pandas", "scipy.stats", "optuna", "torch._dynamo")
    run = str(tmp_path / "run")
    found = python(
        "import sys\n"
        "from convnets.cli.main import run\n"
        f"for arguments in (['train', 'lenet', '--data', 'digits', '--epochs', '1', '--out', {run!r}],\n"
        f"        ['evaluate', {run!r}], ['predict', {run!r}, 'none.png'], ['export', {run!r}, '--to', 'none']):\n"
        "    try: run(arguments)\n"
        "    except SystemExit: pass\n"
        f"print('loaded', [name for name in {heavy} if name in sys.modules])\n"
        "try: run(['serve', 'none'])\n"
        "except SystemExit: print('matplotlib.figure' in sys.modules)\n"
    )
    assert "accuracy" in found.stdout
    assert found.stdout.splitlines()[-2:] == ["loaded []", "False"]


def test_it_runs_as_a_module_too() -> None:
    command = [sys.executable, "-m", "convnets", "models", "lenet"]
    assert "lenet" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (KeyboardInterrupt(), 130, "convnets: interrupted"),
        (
            OSError(28, "No space left on device", "runs/x"),
            1,
            "convnets: error: runs/x: No space left on device",
        ),
        (OSError("odd"), 1, "convnets: error: odd"),
    ],
)
def test_every_end_is_one_line_and_a_status(
    convnets: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    status: int,
    line: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(models, "aligned", fail)
    ended = convnets("models")
    assert (ended.status, ended.out, ended.err) == (status, "", line + "\n")


def test_our_own_mistakes_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(models, "aligned", fail)
    with pytest.raises(ZeroDivisionError):
        run(["models"])


def test_a_message_of_several_lines_becomes_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main._complain("one\n  two\n", 2) == 2
    assert capsys.readouterr().err == "convnets: error: one two\n"


@pytest.mark.skipif(os.name != "posix", reason="pipes end otherwise there")
@pytest.mark.parametrize("arguments", [("models",), ("models", "--json"), ("train", "--help")])
def test_a_reader_that_has_gone_is_no_traceback(arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "convnets", *arguments]
    with os.fdopen(writing, "w") as closed:
        ended = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, "")


@pytest.mark.skipif(os.name != "posix", reason="the shell's syntax")
def test_without_any_standard_output_it_still_ends_well() -> None:
    command = [f"{sys.executable} -m convnets models >&-"]
    ended = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_command_is_made_alone_and_is_the_same_as_among_all(capsys: pytest.CaptureFixture[str]) -> None:
    whole = typer.main.get_command(app)
    assert main._names() == set(whole.commands)
    assert main._command_line("").commands.keys() == whole.commands.keys()
    for name in whole.commands:
        part = main._command_line(name)
        assert list(part.commands) == [name]
        said = []
        for made in (part, whole):
            made([name, "--help"], prog_name="convnets", standalone_mode=False)
            said.append(capsys.readouterr().out)
        assert f"Usage: convnets {name} " in said[0]
        assert said[0] == said[1]

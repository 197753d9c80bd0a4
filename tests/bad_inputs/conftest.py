"""Commands as a user runs them, in a process of their own, and what they left on the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convnets.cli.main import run

Refused = Callable[..., str]


def files_below(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of everything below."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


def assert_refusal(status: int, expected: int, out: str, err: str) -> str:
    """One line on standard error that begins as all of ours do, nothing on standard output, the right status."""
    assert "Traceback" not in err
    assert (status, out) == (expected, ""), err
    assert err.startswith("convnets: error: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    return err.removeprefix("convnets: error: ").rstrip()


@pytest.fixture
def refused_process(tmp_path: Path, warm_python: Any) -> Refused:
    """`refused_process(status, *arguments)`: the line of a refused command, run in its own process in `tmp_path`."""

    def refuse(status: int, *arguments: object) -> str:
        before = files_below(tmp_path)
        ended = warm_python.run("-m", "convnets", *map(str, arguments), cwd=tmp_path)
        assert files_below(tmp_path) == before
        return assert_refusal(ended.returncode, status, ended.stdout, ended.stderr)

    return refuse


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """The same in this process, which is quicker."""
    monkeypatch.chdir(tmp_path)

    def refuse(status: int, *arguments: object) -> str:
        before = files_below(tmp_path)
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            run([str(argument) for argument in arguments])
        assert files_below(tmp_path) == before
        return assert_refusal(int(exit_.value.code or 0), status, *capsys.readouterr())

    return refuse

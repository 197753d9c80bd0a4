"""The folder that runs lie in: making a run's own, refusing what will not do, finding those that are there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from convnets.core.files import write_json
from convnets.errors import RunError, UsageError
from convnets.training.run import ENDED, Run

__all__ = ["check_output", "create_run", "find_run", "find_runs"]

_IDENTITY = ("network", "data", "options")
"""What two runs must share to be one."""


def create_run(output: Path | str, name: str | None, default_name: str, settings: dict[str, Any]) -> Run:
    """Make `output/name` and write its config.json and environment.json, or refuse before anything was trained.

    Without `name` it is `default_name`, followed by the first number that is free.
    """
    output = Path(output)
    if name is not None:
        _check_name(name)
    path = _free_path(output, default_name) if name is None else output / name
    try:
        output.mkdir(parents=True, exist_ok=True)
        path.mkdir()
    except FileExistsError:
        blocked = output if not output.is_dir() else path
        what = "is a file" if blocked.is_file() else "holds another run or other files"
        remedy = "choose another name, or go on with it by --resume"
        raise RunError(f"{blocked} {what}; {remedy}") from None
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}; choose another output") from None
    write_json(
        path / "config.json", {key: settings[key] for key in ("format_version", "network", "data", "options")}
    )
    write_json(path / "environment.json", settings["environment"])
    return Run(path)


def find_runs(output: Path | str) -> list[Run]:
    """The runs that lie in `output`, oldest first."""
    output = Path(output)
    folders = sorted(output.iterdir()) if output.is_dir() else []
    runs = [
        Run(path)
        for path in folders
        if (path / "config.json").is_file() and (path / "environment.json").is_file()
    ]
    return sorted(runs, key=lambda run: (str(run.environment.get("started")), run.name))


def find_run(output: Path | str, name: str | None, settings: dict[str, Any]) -> Run | None:
    """The run under `output` to go on with: the newest of these settings that has not ended, or the one of that name.

    None where there is none. Raises RunError when the run of that name has ended or has other settings.
    """
    wanted = {key: settings[key] for key in _IDENTITY}
    if name is None:
        same = [run for run in find_runs(output) if run.status not in ENDED and _identity(run) == wanted]
        return same[-1] if same else None
    if not (Path(output) / name).exists():
        return None
    run = Run(Path(output) / name)
    found = _identity(run)
    for key in _IDENTITY:
        for field in sorted(found[key].keys() | wanted[key].keys()):
            if found[key].get(field) != wanted[key].get(field):
                raise RunError(
                    f"{run.path} was started with {field} {found[key].get(field)!r}, now it is "
                    f"{wanted[key].get(field)!r}; give the options that it was started with, or another name"
                )
    if run.status in ENDED:
        raise RunError(f"{run.path} has ended ({run.status}); there is nothing to go on with")
    return run


def _identity(run: Run) -> dict[str, dict[str, Any]]:
    return {key: run.settings[key] for key in _IDENTITY}


def check_output(output: Path | str, name: str | None) -> None:
    """Refuse an output that could not be written or that holds another run, before any work is done.

    Raises UsageError for a name that is no name and RunError for a folder that will not do.
    """
    output = Path(output)
    if name is not None:
        _check_name(name)
        if (output / name).exists():
            raise RunError(
                f"{output / name} holds another run or other files; choose another name, or go on with it by --resume"
            )
    existing = next(folder for folder in (output, *output.absolute().parents) if folder.exists())
    if not existing.is_dir():
        raise RunError(f"{existing} is a file; choose another output")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise RunError(f"{existing} cannot be written: permission denied; choose another output")


def _check_name(name: str) -> None:
    bad = not name or name in (".", "..") or any(c in name for c in "/\\\0") or not name.isprintable()
    if bad or len(name.encode("utf-8", "surrogateescape")) > 200:
        shown = name if len(name) < 60 else name[:57] + "…"
        raise UsageError(
            f"run name {shown!r}; allowed: a plain file name of at most 200 bytes, without slashes"
        )


def _free_path(output: Path, stem: str) -> Path:
    number = 1
    while (output / f"{stem}-{number}").exists():
        number += 1
    return output / f"{stem}-{number}"

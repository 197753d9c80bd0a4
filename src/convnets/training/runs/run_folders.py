"""The folder that runs lie in: making a run's own, refusing what will not do, finding those that are there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from convnets.core.storage.files import write_json
from convnets.errors import RunError, UsageError
from convnets.training.config import TrainConfig
from convnets.training.runs.run import ENDED, Run

__all__ = ["check_output", "create_run", "find_begun", "find_run", "find_runs"]

_IDENTITY = ("network", "data", "options", "start")
"""What two runs must share to be one: of the data what is in the pictures, of starting weights what is in them."""
_KEPT = ("format_version", "network", "data", "options", "start")


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
        remedy = "choose another name, or continue it with --resume"
        raise RunError(f"{blocked} {what}; {remedy}") from None
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}; choose another output") from None
    write_json(path / "config.json", {key: settings[key] for key in _KEPT if key in settings})
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

    The latter may have ended. None where there is none. Raises RunError when the run of that name has other settings.
    """
    wanted = _identity(settings)
    if name is None:
        same = [
            run
            for run in find_runs(output)
            if run.status not in ENDED and _identity(_settings_of(run)) == wanted
        ]
        return same[-1] if same else None
    if not (Path(output) / name).exists():
        return None
    run = Run(Path(output) / name)
    found = _identity(_settings_of(run))
    if found["data"] != wanted["data"]:
        raise RunError(
            f"{run.path} was started on {run.data_name}, whose images are not these of {settings['data']['source']}; "
            "give the images that it was started on, or another name"
        )
    for key in _IDENTITY:
        for field in sorted(found[key].keys() | wanted[key].keys()):
            if found[key].get(field) != wanted[key].get(field):
                raise RunError(
                    f"{run.path} was started with {field} {found[key].get(field)!r}, now it is "
                    f"{wanted[key].get(field)!r}; give the options that it was started with, or another name"
                )
    return run


def find_begun(output: Path | str, name: str | None, config: TrainConfig) -> Run | None:
    """The run under `output` that was begun with these options: of that name, or the newest that has not ended.

    For starting weights that are gone: what the run needs of them is in its state.
    """
    if name is not None:
        found = [Run(Path(output) / name)] if (Path(output) / name).exists() else []
    else:
        found = [run for run in find_runs(output) if run.status not in ENDED]
    same = [run for run in found if _settings_of(run)["options"] == config.to_dict()]
    return same[-1] if same else None


def _settings_of(run: Run) -> dict[str, Any]:
    """The run's settings, with the options that this version added since."""
    settings = run.settings
    return {**settings, "options": {**TrainConfig().to_dict(), **settings["options"]}}


def _identity(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {key: dict(settings.get(key) or {}) for key in _IDENTITY}
    found["data"] = {"images": {key: found["data"].get(key) for key in ("classes", "content_hash")}}
    found["start"] = {"starting weights": found["start"].get("sha256")}
    return found


def check_output(output: Path | str, name: str | None) -> None:
    """Refuse an output that could not be written or that holds another run, before any work is done.

    Raises UsageError for a name that is no name and RunError for a folder that will not do.
    """
    output = Path(output)
    if name is not None:
        _check_name(name)
        if (output / name).exists():
            raise RunError(
                f"{output / name} holds another run or other files; choose another name, or continue it with --resume"
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

"""Training from the studio: the very command that a terminal would run, as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convnets.errors import ConfigError, RunError, UsageError
from convnets.training.config import TrainConfig

__all__ = ["Started", "Trainers", "train_command"]

_PATIENCE = 20.0  # seconds that a run has to save itself when the studio ends


@dataclass(frozen=True)
class Started:
    """A process that trains."""

    name: str
    command: tuple[str, ...]
    """As one would type it."""


class Trainers:
    """The runs that this studio has begun."""

    def __init__(self, folder: Path, most: int = 4) -> None:
        self._folder, self._most = folder, most
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._said: dict[str, list[str]] = {}

    def start(self, name: str, command: Sequence[str]) -> Started:
        """Begin the run `name`. Raises RunError where too many train already, or this one does."""
        alive = [each for each, process in self._processes.items() if process.poll() is None]
        if name in alive:
            raise RunError(f"{name} is being trained already")
        if len(alive) >= self._most:
            raise RunError(f"{len(alive)} runs train already ({', '.join(alive)}); stop one, or wait")
        self._folder.mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "--quiet"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in the terminal is for the studio, which then stops its runs itself
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self._processes[name] = process
        self._said[name] = []
        threading.Thread(target=self._listen, args=(name, process), daemon=True).start()
        return Started(name, tuple(command))

    def stop(self, name: str) -> None:
        """Ask a run to save itself and end. Raises RunError for one that was begun elsewhere."""
        process = self._processes.get(name)
        if process is None or process.poll() is not None:
            raise RunError(f"{name} was not begun in this studio; press Ctrl-C where it was")
        process.send_signal(signal.SIGINT)

    def states(self) -> dict[str, dict[str, Any]]:
        """Of each run: whether it is alive, its exit status, and what it said on standard error."""
        return {
            name: {
                "alive": process.poll() is None,
                "status": process.returncode,
                "said": self._said[name][-5:],
            }
            for name, process in self._processes.items()
        }

    def close(self) -> None:
        """Ask every run to save itself, and wait for that."""
        alive = [process for process in self._processes.values() if process.poll() is None]
        for process in alive:
            process.send_signal(signal.SIGINT)
        for process in alive:
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()

    def _listen(self, name: str, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                self._said[name].append(line.decode("utf-8", "replace").rstrip()[:500])
                del self._said[name][:-50]


def train_command(
    folder: Path,
    name: str,
    network: str | None,
    data: str | None,
    options: Mapping[str, Any],
    start: Path | None = None,
) -> list[str]:
    """`convnets train …` of a form's values. Raises ConfigError for an option that is not there or has a bad value."""
    known = TrainConfig.from_dict(dict(options), "the form").to_dict()
    if not name or Path(name).name != name or name.startswith((".", "-")):
        raise UsageError(f"name is {name!r}; allowed: a name for a folder, such as lenet-1")
    words = ["convnets", "train"]
    for value, before in (
        (network, ""),
        (data, "--data="),
        (None if start is None else str(start), "--from="),
    ):
        if value is not None:
            if value.startswith("-"):
                raise ConfigError(f"{value!r} begins with a dash; give a name or a path")
            words.append(f"{before}{value}")
    plain = TrainConfig().to_dict()
    for key in options:
        value = known[key]
        if value == plain[key]:
            continue
        words += _option(key, value)
    return [*words, f"--output={folder}", f"--name={name}"]


def _option(key: str, value: Any) -> list[str]:
    flag = key.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    if isinstance(value, list | tuple):
        return [f"--{flag}={','.join(map(str, value))}"]
    return [f"--{flag}={value}"]

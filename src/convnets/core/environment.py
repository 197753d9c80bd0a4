"""What a result depends on beside code and data: versions, processor, threads."""

from __future__ import annotations

import functools
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from convnets.core.hardware import Hardware, processor_name, usable_cores
from convnets.core.memory import keep_freed_memory

__all__ = ["describe_environment", "environment_changes", "versions"]

_PACKAGES = ("convnets", "torch", "numpy", "pillow", "scikit-learn", "safetensors", "matplotlib")


def versions() -> dict[str, str]:
    """Installed versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version()} | {package: _version(package) for package in _PACKAGES}


@functools.cache  # every saved model names them, and finding them takes longer than writing a small one
def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


# what the bits of a result depend on; command and start time do not
_COMPARED = ("versions", "platform", "processor", "cores", "device", "precision", "threads", "variables")


def environment_changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """A line for each field that differs between two descriptions and that the bits of a result may depend on.

    >>> environment_changes({"threads": 2, "versions": {"torch": "2.6.0"}}, {"threads": 1, "versions": {}})
    ['versions torch is None, was 2.6.0', 'threads is 1, was 2']
    """
    changes = []
    for field in _COMPARED:
        old, new = before.get(field), now.get(field)
        if isinstance(old, dict) and isinstance(new, dict):
            keys = sorted(old.keys() | new.keys())
            pairs = [(f"{field} {key}", old.get(key), new.get(key)) for key in keys]
        else:
            pairs = [(field, old, new)]
        changes += [f"{name} is {now_}, was {was}" for name, was, now_ in pairs if was != now_]
    return changes


def describe_environment(hardware: Hardware) -> dict[str, Any]:
    """All that environment.json records; plain values."""
    return {
        "versions": versions(),
        "platform": platform.platform(),
        "processor": processor_name(),
        "cores": usable_cores(),
        "device": str(hardware.device),
        "hardware": str(hardware),
        "precision": hardware.precision,
        "threads": hardware.threads,
        "memory_kept_between_steps": hardware.device.type == "cpu" and keep_freed_memory(),
        "command": [_program(), *sys.argv[1:]],
        "variables": {
            name: os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if name in os.environ
        },
        "waiting": {
            name: os.environ[name] for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY") if name in os.environ
        },
    }


def _program() -> str:
    """The program's name; started as `python -m convnets` it is the command, too."""
    path = Path(sys.argv[0])
    return path.parent.name if path.name == "__main__.py" else path.name

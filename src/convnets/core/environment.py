"""What a result depends on beside code and data: versions, processor, threads."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from convnets.core.hardware import Hardware, processor_name, usable_cores
from convnets.core.memory import keep_freed_memory

__all__ = ["describe_environment", "versions"]

_PACKAGES = ("convnets", "torch", "numpy", "pillow", "scikit-learn", "safetensors", "matplotlib")


def versions() -> dict[str, str]:
    """Installed versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


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
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "variables": {
            name: os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if name in os.environ
        },
    }

"""The native kernels: C++ beside this file, compiled once for this processor and kept in the cache folder.

They are called through ctypes with the addresses of tensors, so compiling needs a C++ compiler and nothing of
PyTorch or Python. Where there is no compiler, or it fails, every kernel has a way through PyTorch's own
operations that gives the same result.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import torch

from convnets.core.instruction_set import instruction_set, processor_instructions
from convnets.core.storage.cache import cache_folder
from convnets.core.storage.files import atomic_path

__all__ = ["compiled_kernels", "compiler_command", "is_compiled", "processor_features", "why_not_compiled"]

_SOURCES = Path(__file__).parent / "native"
_FLAGS = ("-std=c++17", "-O3", "-fno-math-errno", "-fopenmp", "-fPIC", "-shared")
_SSE = ("-march=x86-64", "-msse4.2", "-mtune=native")
_AVX2 = (*_SSE, "-mavx2", "-mfma", "-mf16c", "-mbmi", "-mbmi2")
_AVX512 = (*_AVX2, "-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl")
_INSTRUCTIONS = {
    None: ("-march=native",),
    "sse": _SSE,
    "avx2": _AVX2,
    "avx512": _AVX512,
    "avx512_bf16": (*_AVX512, "-mavx512bf16"),
}  # as flags that older compilers know, too
_TIMEOUT = 300  # seconds; it takes about ten


@cache
def compiled_kernels() -> ctypes.CDLL | None:
    """The library of native kernels, compiled at the first call on a machine; None where that is not possible.

    `CONVNETS_NATIVE=0` in the environment switches it off, `CONVNETS_ISA=avx2` and the like cap its instructions
    (`instruction_set`, whose ConfigError is raised).
    """
    _reason.clear()
    command = compiler_command()
    if command is None:
        return None
    try:
        library = _path_of(command)
        if not library.exists():
            _compile(command, library)
        return ctypes.CDLL(str(library))
    except (OSError, subprocess.SubprocessError) as error:
        _reason.append(_first_line(error))
        return None


def is_compiled() -> bool:
    """Whether the library is there for this processor already, so that `compiled_kernels` returns at once."""
    command = compiler_command()
    return command is not None and _path_of(command).exists()


def why_not_compiled() -> str:
    """The reason why `compiled_kernels()` gave None, in a few words."""
    return _reason[0] if _reason else ""


_reason: list[str] = []


def compiler_command() -> str | None:
    """Path of the C++ compiler, `$CXX` or g++ or clang++; None with a reason where native kernels cannot be."""
    if os.environ.get("CONVNETS_NATIVE", "1") == "0":
        _reason[:] = ["switched off by CONVNETS_NATIVE=0"]
        return None
    if sys.platform != "linux":
        _reason[:] = [f"not tried on {platform.system()}"]
        return None
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++"]
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    _reason[:] = [f"no C++ compiler found ({', '.join(names)})"]
    return None


def _path_of(command: str) -> Path:
    """The library's file: its name tells sources, flags, compiler, processor and PyTorch apart."""
    told = hashlib.sha256()
    for source in sorted(_SOURCES.iterdir()):
        told.update(source.name.encode() + source.read_bytes())
    status = Path(command).stat()
    parts = (*_flags(), command, status.st_size, status.st_mtime_ns, processor_features(), torch.__version__)
    told.update(repr(parts).encode())
    return cache_folder() / "kernels" / f"native-{told.hexdigest()[:16]}.so"


def _flags() -> tuple[str, ...]:
    return (*_FLAGS, *_INSTRUCTIONS[instruction_set()])


@cache
def processor_features() -> str:
    """What the processor can do; two machines may share a cache folder, and their programs must not mix."""
    return " ".join(sorted(processor_instructions())) or platform.machine()


def _compile(command: str, library: Path) -> None:
    library.parent.mkdir(parents=True, exist_ok=True)
    sources = [str(path) for path in sorted(_SOURCES.glob("*.cpp"))]
    with atomic_path(library) as temporary:
        done = subprocess.run(
            [command, *_flags(), *sources, "-o", str(temporary)],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        if done.returncode != 0:
            raise OSError(f"{command} failed: {done.stderr.strip()[:500]}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]

"""The native kernels: C++ beside this file, compiled once for this processor and kept in the cache folder.

A wheel may bring them compiled, for each instruction set (`scripts/wheel`): then nobody needs a compiler.

They are called through ctypes with the addresses of tensors, so compiling needs a C++ compiler and nothing of
PyTorch or Python. Where there is no compiler, or it fails, every kernel has a way through PyTorch's own
operations that gives the same result.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch

from convnets.core.instruction_set import INSTRUCTION_SETS, instruction_set, processor_instructions
from convnets.core.storage.cache import cache_folder
from convnets.core.storage.files import atomic_path

__all__ = [
    "compiled_kernels",
    "compiler_command",
    "is_compiled",
    "prebuild",
    "processor_features",
    "why_not_compiled",
]

_SOURCES = Path(__file__).parent / "native"
_PREBUILT = Path(__file__).parent / "prebuilt"
_FLAGS = ("-std=c++17", "-O3", "-fno-math-errno", "-fopenmp", "-fPIC", "-shared")
_SSE = ("-march=x86-64", "-msse4.2")
_AVX2 = (*_SSE, "-mavx2", "-mfma", "-mf16c", "-mbmi", "-mbmi2")
_AVX512 = (*_AVX2, "-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl")
_INSTRUCTIONS: dict[str | None, tuple[str, ...]] = {
    None: (),  # another machine than x86-64
    "sse": _SSE,
    "avx2": _AVX2,
    "avx512": _AVX512,
    "avx512_bf16": (*_AVX512, "-mavx512bf16"),
}  # as flags that older compilers know, too
_ALONE = ("-static-libstdc++", "-static-libgcc")
_TIMEOUT = 300  # seconds; it takes about ten


@cache
def compiled_kernels() -> ctypes.CDLL | None:
    """The library of native kernels, compiled at the first call on a machine; None where that is not possible.

    `CONVNETS_NATIVE=0` in the environment switches it off, `CONVNETS_ISA=avx2` and the like cap its instructions
    (`instruction_set`, whose ConfigError is raised).
    """
    _reason.clear()
    if _is_off():
        return None
    name = instruction_set()
    with contextlib.suppress(OSError):  # one that does not load here is compiled here
        if (ready := _prebuilt(name)).exists():
            return ctypes.CDLL(str(ready))
    command = compiler_command()
    if command is None:
        return None
    try:
        library = _path_of(command)
        if not library.exists():
            _compile(command, _here(name), library)
        return ctypes.CDLL(str(library))
    except (OSError, subprocess.SubprocessError) as error:
        _reason.append(_first_line(error))
        return None


def is_compiled() -> bool:
    """Whether the library is there for this processor already, so that `compiled_kernels` returns at once."""
    if _is_off():
        return False
    if _prebuilt(instruction_set()).exists():
        return True
    command = compiler_command()
    return command is not None and _path_of(command).exists()


def prebuild(folder: Path) -> list[Path]:
    """Compile the kernels for every instruction set of this machine's family into `folder`, for a wheel.

    They need the C library alone: PyTorch brings the threads. Raises OSError where there is no compiler or it fails.
    """
    command = compiler_command()
    if command is None:
        raise OSError(why_not_compiled())
    made = []
    for name in INSTRUCTION_SETS if instruction_set() is not None else (None,):
        made.append(_prebuilt(name, folder))
        _compile(command, (*_FLAGS, *_INSTRUCTIONS[name], *_ALONE), made[-1])
    return made


def why_not_compiled() -> str:
    """The reason why `compiled_kernels()` gave None, in a few words."""
    return _reason[0] if _reason else ""


_reason: list[str] = []


def compiler_command() -> str | None:
    """Path of the C++ compiler, `$CXX` or g++ or clang++; None with a reason where native kernels cannot be."""
    if _is_off():
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


def _is_off() -> bool:
    if os.environ.get("CONVNETS_NATIVE", "1") != "0":
        return False
    _reason[:] = ["switched off by CONVNETS_NATIVE=0"]
    return True


def _path_of(command: str) -> Path:
    """The library's file: its name tells sources, flags, compiler, processor and PyTorch apart."""
    status = Path(command).stat()
    flags = _here(instruction_set())
    parts = (*flags, command, status.st_size, status.st_mtime_ns, processor_features(), torch.__version__)
    told = hashlib.sha256(f"{_digest_of_sources()}{parts!r}".encode())
    return cache_folder() / "kernels" / f"native-{told.hexdigest()[:16]}.so"


def _prebuilt(name: str | None, folder: Path | None = None) -> Path:
    """The library that a wheel may bring: of these very sources, for the instruction set `name`."""
    kind = name or platform.machine()
    return (folder or _PREBUILT) / f"native-{_digest_of_sources()[:16]}-{kind}.so"


def _digest_of_sources() -> str:
    told = hashlib.sha256()
    for source in sorted(_SOURCES.iterdir()):
        told.update(source.name.encode() + source.read_bytes())
    return told.hexdigest()


def _here(name: str | None) -> tuple[str, ...]:
    """The compiler's flags for this very processor."""
    return (*_FLAGS, *(("-march=native",) if name is None else (*_INSTRUCTIONS[name], "-mtune=native")))


@cache
def processor_features() -> str:
    """What the processor can do; two machines may share a cache folder, and their programs must not mix."""
    return " ".join(sorted(processor_instructions())) or platform.machine()


def _compile(command: str, flags: Sequence[str], library: Path) -> None:
    library.parent.mkdir(parents=True, exist_ok=True)
    sources = [str(path) for path in sorted(_SOURCES.glob("*.cpp"))]
    with atomic_path(library) as temporary:
        done = subprocess.run(
            [command, *flags, *sources, "-o", str(temporary)],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        if done.returncode != 0:
            raise OSError(f"{command} failed: {done.stderr.strip()[:500]}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]

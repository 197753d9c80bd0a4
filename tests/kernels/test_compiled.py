"""Native kernels are compiled once; where that fails, there is a reason instead of an error."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from convnets.core.instruction_set import instruction_set
from convnets.kernels import compiled
from convnets.kernels.compiled import (
    compiled_kernels,
    compiler_command,
    is_compiled,
    prebuild,
    why_not_compiled,
)


@pytest.fixture
def cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder, and one small source, so that compiling takes a moment."""
    sources = tmp_path / "native"
    sources.mkdir()
    (sources / "answer.cpp").write_text('extern "C" int answer() { return 42; }\n')
    monkeypatch.setattr(compiled, "_SOURCES", sources)
    monkeypatch.setenv("CONVNETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CONVNETS_NATIVE", raising=False)
    compiled_kernels.cache_clear()
    yield tmp_path / "cache"
    monkeypatch.undo()
    compiled_kernels.cache_clear()


def compiler() -> str:
    command = compiler_command()
    if command is None:
        pytest.skip(why_not_compiled())
    return command


def program(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_the_second_call_does_not_compile_again(
    cache_of_its_own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    counting = program(tmp_path / "cxx", f'#!/bin/sh\necho call >> "{calls}"\nexec "{compiler()}" "$@"\n')
    monkeypatch.setenv("CXX", counting)
    assert not is_compiled()
    for _ in range(2):
        compiled_kernels.cache_clear()
        library = compiled_kernels()
        assert isinstance(library, ctypes.CDLL)
        assert library.answer() == 42
        assert is_compiled()
        assert why_not_compiled() == ""
    assert calls.read_text().split() == ["call"]
    assert len(list(cache_of_its_own.rglob("*.so"))) == 1


def test_a_changed_source_is_compiled_anew(cache_of_its_own: Path, tmp_path: Path) -> None:
    compiler()
    assert compiled_kernels() is not None
    (tmp_path / "native" / "answer.cpp").write_text('extern "C" int answer() { return 43; }\n')
    assert not is_compiled()
    compiled_kernels.cache_clear()
    library = compiled_kernels()
    assert library is not None
    assert library.answer() == 43


def test_a_compiler_that_fails_is_a_reason(
    cache_of_its_own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = program(tmp_path / "broken", "#!/bin/sh\necho no license today >&2\nexit 3\n")
    monkeypatch.setenv("CXX", broken)
    assert compiled_kernels() is None
    assert "no license today" in why_not_compiled()
    assert not is_compiled()
    assert list(cache_of_its_own.rglob("*")) == [cache_of_its_own / "kernels"]


def test_a_source_that_does_not_compile_is_a_reason(cache_of_its_own: Path, tmp_path: Path) -> None:
    compiler()
    (tmp_path / "native" / "answer.cpp").write_text("int answer() { return forty_two; }\n")
    assert compiled_kernels() is None
    assert "forty_two" in why_not_compiled() or "failed" in why_not_compiled()


def test_no_compiler_is_a_reason(
    cache_of_its_own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert compiled_kernels() is None
    assert "no C++ compiler found" in why_not_compiled() or "not tried" in why_not_compiled()


def test_switched_off(cache_of_its_own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVNETS_NATIVE", "0")
    assert compiled_kernels() is None
    assert "CONVNETS_NATIVE=0" in why_not_compiled()
    assert not is_compiled()


def test_a_cache_that_cannot_be_written_is_a_reason(
    cache_of_its_own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler()
    blocked = tmp_path / "file"
    blocked.write_text("a file where the folder should be")  # holds for root too, unlike permissions
    monkeypatch.setenv("CONVNETS_CACHE", str(blocked))
    assert compiled_kernels() is None
    assert str(blocked) in why_not_compiled()


def test_two_processes_at_once(cache_of_its_own: Path, tmp_path: Path, warm_python: Any) -> None:
    compiler()
    code = (
        "import sys; from pathlib import Path; from convnets.kernels import compiled; "
        f"compiled._SOURCES = Path({str(tmp_path / 'native')!r}); "
        "library = compiled.compiled_kernels(); sys.exit(0 if library and library.answer() == 42 else 1)"
    )
    processes = [warm_python.start("-c", code) for _ in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert [path.suffix for path in (cache_of_its_own / "kernels").iterdir()] == [".so"]


def test_a_wheels_library_needs_no_compiler(
    cache_of_its_own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler()
    folder = tmp_path / "prebuilt"
    made = prebuild(folder)
    assert [path.name.rpartition("-")[2] for path in made] == (
        ["sse.so", "avx2.so", "avx512.so", "avx512_bf16.so"]
        if instruction_set() is not None
        else [f"{platform.machine()}.so"]
    )
    monkeypatch.setattr(compiled, "_PREBUILT", folder)
    monkeypatch.setenv("CXX", str(tmp_path / "no-compiler"))
    assert is_compiled()
    library = compiled_kernels()
    assert isinstance(library, ctypes.CDLL)
    assert library.answer() == 42
    assert Path(library._name).parent == folder
    monkeypatch.setenv("CONVNETS_NATIVE", "0")
    compiled_kernels.cache_clear()
    assert compiled_kernels() is None


@pytest.mark.parametrize("fault", ["other sources", "does not load"])
def test_a_wheels_library_that_does_not_fit_is_compiled_anew(
    fault: str, cache_of_its_own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler()
    folder = tmp_path / "prebuilt"
    made = prebuild(folder)
    monkeypatch.setattr(compiled, "_PREBUILT", folder)
    if fault == "other sources":
        (tmp_path / "native" / "answer.cpp").write_text('extern "C" int answer() { return 43; }\n')
    else:
        for path in made:
            path.write_bytes(b"no library")
    library = compiled_kernels()
    assert isinstance(library, ctypes.CDLL)
    assert library.answer() == (43 if fault == "other sources" else 42)
    assert cache_of_its_own in Path(library._name).parents

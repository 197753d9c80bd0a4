"""The allocator keeps what a step freed: fewer page faults, and the memory comes back when asked."""

from __future__ import annotations

import subprocess
import sys

import pytest

from convnets.core import memory

_FAULTS = """
import resource, torch
from convnets.core.memory import keep_freed_memory
if {keep}:
    assert keep_freed_memory()
def step():
    torch.empty(16, 1024, 1024).fill_(1.0)  # 64 MiB: above what glibc keeps by itself
for _ in range(20):  # until the heap has found its shape
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(keep: bool) -> int:
    done = subprocess.run(
        [sys.executable, "-c", _FAULTS.format(keep=keep)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(memory._glibc() is None, reason="another C library than glibc")
def test_freed_memory_is_kept() -> None:
    assert page_faults(keep=True) < page_faults(keep=False) / 10


def test_nothing_happens_on_another_c_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    assert memory.keep_freed_memory.__wrapped__() is False
    memory.release_freed_memory()

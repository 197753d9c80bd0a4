"""The allocator keeps what a step freed: fewer page faults, and the memory comes back when asked."""

from __future__ import annotations

from typing import Any

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


def page_faults(warm_python: Any, keep: bool) -> int:
    return int(warm_python.run("-c", _FAULTS.format(keep=keep), check=True).stdout)


@pytest.mark.skipif(memory._glibc() is None, reason="another C library than glibc")
def test_freed_memory_is_kept(warm_python: Any) -> None:
    assert page_faults(warm_python, keep=True) < page_faults(warm_python, keep=False) / 10


def test_nothing_happens_on_another_c_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    assert memory.keep_freed_memory.__wrapped__() is False
    memory.release_freed_memory()

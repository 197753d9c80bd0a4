"""Memory of a process and of its children."""

from __future__ import annotations

import subprocess
import sys
import time

from convnets.benchmarking.measures.peak_memory import PeakMemory, family

_CHILD = "import time; block = b'x' * 60_000_000; print(flush=True); time.sleep(60)"
_PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_CHILD!r}], check=True)"


def test_children_count_and_what_was_freed_again_too() -> None:
    process = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()  # the child has its 60 MB
        assert len(family(process.pid)) == 2
        with PeakMemory(process.pid) as memory:
            time.sleep(0.25)
            for each in family(process.pid)[1:]:
                each.kill()
        assert 60e6 < memory.peak < 500e6
    finally:
        for each in family(process.pid):
            each.kill()
        process.wait()
        process.stdout.close()


def test_a_process_that_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert family(process.pid) == []
    with PeakMemory(process.pid) as memory:
        pass
    assert memory.peak == 0

"""The lock: one at a time, and free again when its holder is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from convnets.core.storage.file_lock import locked


def test_threads_enter_one_at_a_time(tmp_path: Path) -> None:
    inside, most, lost = 0, 0, [0]

    def work() -> None:
        nonlocal inside, most
        for _ in range(10):
            with locked(tmp_path / "x.lock"):
                inside += 1
                most = max(most, inside)
                before = lost[0]
                time.sleep(0.0005)
                lost[0] = before + 1
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, lost[0]) == (1, 40)
    assert list(tmp_path.iterdir()) == []


def test_an_error_inside_lets_go(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path / "x.lock"):
        raise KeyError
    with locked(tmp_path / "x.lock"):
        pass


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_killed_holder_blocks_nobody(tmp_path: Path) -> None:
    code = "import sys, time, pathlib; from convnets.core.storage.file_lock import locked\n"
    code += "with locked(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", code, str(tmp_path / "x.lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.send_signal(signal.SIGKILL)
    start = time.monotonic()
    with locked(tmp_path / "x.lock"):
        assert time.monotonic() - start < 5

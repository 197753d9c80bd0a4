"""How long this process has waited for a core that others were using."""

from __future__ import annotations

from pathlib import Path

__all__ = ["seconds_waited_for_a_core"]

_TASKS = Path("/proc/self/task")  # the current process's threads, where the system is Linux


def seconds_waited_for_a_core() -> float | None:
    """Seconds that the threads of this process were ready to run and had no core, all together; None if unknown.

    Linux counts them for each thread (`/proc/PID/task/TID/schedstat`, its second number, in nanoseconds).
    """
    waited = 0
    try:
        for task in _TASKS.iterdir():
            waited += int((task / "schedstat").read_bytes().split()[1])
    except (OSError, IndexError, ValueError):  # another system, or a thread that has just ended
        return None
    return waited / 1e9

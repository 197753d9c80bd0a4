"""Energy: what the processor drew, as its own counters tell it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType

__all__ = ["EnergyMeter", "read_counters"]

# RAPL, running average power limit: Linux shows Intel's and AMD's counters here, one zone for each package
_POWERCAP = Path("/sys/class/powercap")


def read_counters(root: Path = _POWERCAP) -> dict[str, tuple[int, int]]:
    """For each processor package the microjoules counted so far, and the count at which it begins again from 0.

    Empty where there are no counters, or where this user may not read them.
    """
    counters = {}
    for zone in sorted(root.glob("*-rapl:*")):
        if zone.name.count(":") != 1:  # parts of a package, such as intel-rapl:0:1, are in its sum already
            continue
        with contextlib.suppress(OSError, ValueError):
            if (zone / "name").read_text().strip().startswith("package"):
                now, limit = (int((zone / file).read_text()) for file in ("energy_uj", "max_energy_range_uj"))
                counters[zone.name] = (now, limit)
    return counters


class EnergyMeter:
    """A context manager; after the block `joules` is what all packages drew, None where the machine does not tell.

    The counters are the whole processor's: other work on the machine is in them. A counter that began again from 0
    once within the block is followed; it does so after some minutes at full power.
    """

    def __init__(self, root: Path = _POWERCAP) -> None:
        self.joules: float | None = None
        self._root = root
        self._before: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> EnergyMeter:
        self._before = read_counters(self._root)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        after = read_counters(self._root)
        if not self._before or after.keys() != self._before.keys():
            return
        drawn = 0
        for zone, (end, limit) in after.items():
            start = self._before[zone][0]
            drawn += end - start if end >= start else end - start + limit
        self.joules = drawn / 1e6

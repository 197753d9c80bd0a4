"""How long threads wait for each other by turning a loop, before they let others have the core.

GNU OpenMP, which PyTorch computes with on Linux, reads it once, when PyTorch is loaded. By default a thread turns for
300,000 rounds, some milliseconds to a dozen (https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html). Where
another process holds a core, most steps then wait that long again and again: two threads were measured at a fortieth
of one thread's speed. After 50,000 rounds, two threads lose little on an idle machine and stay usable on a busy one.
"""

from __future__ import annotations

import os
import sys

__all__ = ["shorten_waiting", "waiting_as_pytorch_does"]

_NAME, _ROUNDS, _DEFAULT = "GOMP_SPINCOUNT", "50000", "300000"


def shorten_waiting() -> None:
    """Let threads wait shortly, unless the environment says how they wait or PyTorch has been loaded already."""
    if "torch" not in sys.modules and "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault(_NAME, _ROUNDS)


def waiting_as_pytorch_does() -> dict[str, str]:
    """This process's environment, for one whose threads shall wait as PyTorch's do without convnets."""
    environment = dict(os.environ)
    if environment.get(_NAME) == _ROUNDS:
        environment[_NAME] = _DEFAULT
    return environment

"""The vector instructions that native kernels use: the best that this processor has, or fewer by `CONVNETS_ISA`."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

from convnets.errors import ConfigError

__all__ = ["INSTRUCTION_SETS", "has_bf16_products", "instruction_set", "processor_instructions"]

_AVX2 = ("avx2", "fma", "f16c", "bmi1", "bmi2")
_AVX512 = (*_AVX2, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")

INSTRUCTION_SETS: dict[str, tuple[str, ...]] = {
    "sse": (),
    "avx2": _AVX2,
    "avx512": _AVX512,
    "avx512_bf16": (*_AVX512, "avx512_bf16"),
}
"""On x86-64: name → the instructions that it needs, as Linux names them; each has all of the one before."""


@cache
def processor_instructions() -> frozenset[str]:
    """What the processor can do, by Linux's names; empty where that is not told."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(errors="replace").splitlines():
            if line.startswith(("flags", "Features")):
                return frozenset(line.partition(":")[2].split())
    return frozenset()


def instruction_set() -> str | None:
    """The name of the instructions in use; None where there is no choice, as on other machines than x86-64.

    `CONVNETS_ISA` caps it, as to see what a program does on other people's machines. Raises ConfigError for a name
    that is not known, or that this processor lacks.
    """
    if platform.machine() not in ("x86_64", "AMD64") or not processor_instructions():
        return None
    there = [name for name, needed in INSTRUCTION_SETS.items() if processor_instructions().issuperset(needed)]
    wanted = os.environ.get("CONVNETS_ISA", "")
    if not wanted:
        return there[-1]
    if wanted not in there:
        raise ConfigError(f"CONVNETS_ISA is {wanted!r}; allowed on this processor: {', '.join(there)}")
    return wanted


def has_bf16_products() -> bool:
    """Whether the instructions in use multiply bfloat16; of a processor that tells nothing it is not known: True."""
    name = instruction_set()
    return name in (None, "avx512_bf16")

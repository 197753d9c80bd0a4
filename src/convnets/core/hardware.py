"""Device, precision and threads: chosen once, here, and passed on as one value."""

from __future__ import annotations

import contextlib
import math
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from convnets.core.instruction_set import has_bf16_products, instruction_set
from convnets.core.memory import keep_freed_memory
from convnets.errors import ConfigError, DeviceError

__all__ = [
    "PRECISIONS",
    "Hardware",
    "bf16_is_native",
    "choose_hardware",
    "may_be_paced",
    "processor_name",
    "usable_cores",
]

PRECISIONS = ("auto", "fp32", "bf16")


@dataclass(frozen=True)
class Hardware:
    """Where a network runs and in which arithmetic.

    `dtype` is the type that convolutions and matrix products use under `autocast`; weights stay float32.
    """

    device: torch.device
    dtype: torch.dtype
    threads: int
    automatic: bool = False
    """Whether the precision was left to us: inference falls back to float32 where a model loses by bf16."""
    paced: bool = False
    """Whether the number of threads was left to us: fewer are used while the machine is busy (`ThreadPace`)."""

    @property
    def precision(self) -> str:
        """`bf16` or `fp32`, as the options spell it."""
        return "bf16" if self.dtype is torch.bfloat16 else "fp32"

    @contextlib.contextmanager
    def autocast(self) -> Iterator[None]:
        """Run what is inside in `dtype`; nothing changes for float32."""
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.dtype is torch.bfloat16):
            yield

    def __str__(self) -> str:
        if self.device.type == "cuda":
            tf32 = self.dtype is torch.float32 and torch.backends.cudnn.allow_tf32  # PyTorch's default
            return f"{torch.cuda.get_device_name(self.device)}, {self.precision}{' (convolutions in TF32)' * tf32}"
        name = processor_name() if self.device.type == "cpu" else str(self.device)
        return f"{name}, {self.threads} thread{'s' * (self.threads != 1)}, {self.precision}"


def choose_hardware(device: str = "auto", precision: str = "auto", threads: int | None = None) -> Hardware:
    """Choose the device (`auto`: CUDA, then Apple's GPU, then the CPU), precision and number of threads.

    `precision="auto"` takes bf16 where the device computes it natively, float32 elsewhere. `threads=None`
    takes $OMP_NUM_THREADS where it is set, else the cores that this process may use. On the CPU the allocator is
    told to keep freed memory (see `keep_freed_memory`). Raises DeviceError when the named device is not there.

    >>> choose_hardware("cpu", "fp32", threads=1).precision
    'fp32'
    """
    chosen = _device(device)
    if precision not in PRECISIONS:
        raise ConfigError(f"precision is {precision!r}; allowed: {', '.join(PRECISIONS)}")
    if threads is not None and threads < 1:
        raise ConfigError(f"threads is {threads}; allowed: 1 or more")
    native = bf16_is_native(chosen)
    dtype = torch.bfloat16 if precision == "bf16" or (precision == "auto" and native) else torch.float32
    count = threads or _wanted_threads() or usable_cores()
    if chosen.type == "cpu":
        instruction_set()  # refuses a wrong cap before anything is prepared
        keep_freed_memory()
        if torch.get_num_threads() != count:
            torch.set_num_threads(count)
    paced = not threads and may_be_paced(chosen)
    return Hardware(chosen, dtype, count, automatic=precision == "auto", paced=paced)


def may_be_paced(device: torch.device) -> bool:
    """Whether nobody has said how many threads to use: on the processor, and without $OMP_NUM_THREADS."""
    return device.type == "cpu" and not _wanted_threads()


def _wanted_threads() -> int:
    """$OMP_NUM_THREADS, the name that PyTorch itself listens to; 0 when it is not set to a number."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() else 0


def _device(name: str) -> torch.device:
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(f"device {name!r} is not known; allowed: auto, cpu, cuda, cuda:1, mps") from None
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise DeviceError(
                f"device {name!r} is not on this machine, which has {count} CUDA devices; use --device auto"
            )
    elif device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError(f"device {name!r} is not on this machine; use --device auto")
    elif device.type not in ("cpu", "mps"):
        raise DeviceError(f"device {name!r} is not supported; allowed: auto, cpu, cuda, cuda:1, mps")
    return device


def bf16_is_native(device: torch.device) -> bool:
    """Whether the device has bf16 instructions (AMX or AVX512-BF16, Ampere and later); emulation does not count.

    Nor do those that `CONVNETS_ISA` excludes.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu" and platform.machine() in ("x86_64", "AMD64"):
        there = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return bool(there) and has_bf16_products()
    return False


def usable_cores() -> int:
    """Cores that this process may use: its affinity, and its share under a container's CPU limit."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        with open("/sys/fs/cgroup/cpu.max") as file:  # noqa: PTH123  a kernel file, not a path of ours
            quota, period = file.read().split()
        if quota != "max":
            cores = min(cores, max(1, math.floor(int(quota) / int(period))))
    return cores


def processor_name() -> str:
    """The processor's own name, such as "AMD EPYC"."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

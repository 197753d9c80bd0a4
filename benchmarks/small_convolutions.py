"""The native kernels for few channels against oneDNN, each direction on its own, bfloat16 and channels-last.

With one thread it takes processor time, which other work on the machine disturbs less; with more, wall clock.

Usage: python benchmarks/small_convolutions.py --threads 1 --json small.json
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convnets.core.memory import keep_freed_memory
from convnets.core.storage.files import write_json
from convnets.kernels.convolutions.small_convolution import (
    applies,
    small_forward,
    small_input_gradient,
    small_weight_gradient,
)


@dataclass(frozen=True)
class Case:
    """A layer of a network: N images of C×size×size, K filters."""

    name: str
    images: int
    channels: int
    size: int
    filters: int
    kernel: int
    stride: int = 1
    padding: int = 0


CASES = (
    Case("lenet 1", 256, 1, 28, 6, 5, 1, 2),
    Case("lenet 2", 256, 6, 14, 16, 5),
    Case("lenet_bn 1", 256, 1, 28, 6, 5),
    Case("lenet_bn 2", 256, 6, 12, 16, 5),
    Case("3×3 1→16 at 28", 256, 1, 28, 16, 3, 1, 1),
    Case("3×3 1→32 at 28", 256, 1, 28, 32, 3, 1, 1),
    Case("3×3 1→64 at 28", 256, 1, 28, 64, 3, 1, 1),
    Case("7×7 stride 2 1→64 at 96", 64, 1, 96, 64, 7, 2, 3),
    Case("11×11 stride 4 1→96 at 224", 32, 1, 224, 96, 11, 4, 1),
    Case("11×11 stride 4 3→96 at 224", 32, 3, 224, 96, 11, 4, 2),
    Case("3×3 3→16 at 32", 256, 3, 32, 16, 3, 1, 1),
    Case("3×3 1→16 at 224", 32, 1, 224, 16, 3, 1, 1),
    Case("3×3 16→16 at 32", 256, 16, 32, 16, 3, 1, 1),
)


def measure(case: Case, dtype: torch.dtype, repeats: int) -> list[dict[str, Any]]:
    """Forward, input gradient and weight gradient of one layer: median times, taken in turns."""
    shape = (case.filters, case.channels, case.kernel, case.kernel)
    x = torch.randn(case.images, case.channels, case.size, case.size).to(dtype)
    x = x.to(memory_format=torch.channels_last)
    weight = torch.randn(shape).to(dtype).to(memory_format=torch.channels_last)
    bias = torch.randn(case.filters).to(dtype)
    stride, padding = case.stride, case.padding
    y = torch.conv2d(x, weight, bias, stride, padding)
    gy = torch.randn(y.shape).to(dtype).to(memory_format=torch.channels_last)

    def backward(mask: list[bool]) -> tuple[Tensor, ...]:
        steps = [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1, mask
        result: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
            gy, x, weight, [case.filters], *steps
        )
        return result

    pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "forward": (
            lambda: small_forward(x, weight, bias, stride, padding),
            lambda: torch.conv2d(x, weight, bias, stride, padding),
        ),
        "weight gradient": (
            lambda: small_weight_gradient(x, gy, shape, stride, padding),
            lambda: backward([False, True, True]),
        ),
    }
    if case.channels > 1 and case.size < 100:
        pairs["input gradient"] = (
            lambda: small_input_gradient(gy, weight, tuple(x.shape), stride, padding),
            lambda: backward([True, False, False]),
        )
    work = 2e-9 * y.numel() * case.channels * case.kernel**2
    found = []
    for direction, both in pairs.items():
        ours, theirs = _in_turns(both, repeats)
        found.append(
            {
                "layer": case.name,
                "images": case.images,
                "direction": direction,
                "native_ms": 1e3 * ours,
                "onednn_ms": 1e3 * theirs,
                "native_gflops": work / ours,
                "onednn_gflops": work / theirs,
            }
        )
    return found


def _in_turns(both: tuple[Callable[[], object], Callable[[], object]], repeats: int) -> tuple[float, float]:
    """Median seconds of each, called one after the other."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(repeats + 2):
        for call, kept in zip(both, times, strict=True):
            started = clock()
            call()
            if turn >= 2:
                kept.append(clock() - started)
    return statistics.median(times[0]), statistics.median(times[1])


def main() -> None:
    """Print a line per layer and direction."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    results = []
    for case in CASES:
        if not applies(case.channels, case.filters, case.kernel, case.stride):
            raise SystemExit("there are no native kernels here: no C++ compiler was found")
        for found in measure(case, getattr(torch, arguments.dtype), arguments.repeats):
            results.append(found)
            print(
                f"{found['layer']:28} {found['direction']:16} native {found['native_ms']:7.3f} ms "
                f"{found['native_gflops']:6.1f} GFLOP/s, oneDNN {found['onednn_ms']:7.3f} ms "
                f"{found['onednn_gflops']:6.1f} GFLOP/s: {found['onednn_ms'] / found['native_ms']:.2f}×",
                flush=True,
            )
    if arguments.json is not None:
        write_json(arguments.json, {"threads": arguments.threads, "results": results})


if __name__ == "__main__":
    main()

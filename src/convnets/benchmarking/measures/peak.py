"""The peak: GFLOP/s of large matrix products, the most that this machine was seen to compute at a precision."""

from __future__ import annotations

import time

import torch

from convnets.benchmarking.loop import wait_for_device

__all__ = [
    "INFERENCE_FLOPS_PER_MAC",
    "TRAINING_FLOPS_PER_MAC",
    "gflops",
    "matrix_product_peak",
    "measure_peaks",
]

TRAINING_FLOPS_PER_MAC = 6
"""A multiply-accumulate is 2 operations; it is done forward, for the gradient of the input and of the weights."""

INFERENCE_FLOPS_PER_MAC = 2
"""A multiply-accumulate is 2 operations."""

_SIDES = (512, 1024, 2048, 4096)
_SECONDS = 0.4  # of products on each side
_PATIENCE = 2.0  # seconds that the next larger product may take


def gflops(macs: int, flops_per_mac: int, images_per_second: float) -> float:
    """10⁹ floating point operations per second of a network of `macs` multiply-accumulates per image.

    The convention counts the gradient of the first layer's input too, though no one asks for it.

    >>> gflops(1_000_000, TRAINING_FLOPS_PER_MAC, 1000.0)
    6.0
    """
    return macs * flops_per_mac * images_per_second / 1e9


def measure_peaks(device: str, threads: int) -> dict[str, float]:
    """GFLOP/s by precision, `fp32` and `bf16`, of the best of several square matrix products."""
    torch.set_num_threads(threads)
    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16}
    return {name: matrix_product_peak(torch.device(device), dtype) for name, dtype in dtypes.items()}


def matrix_product_peak(
    device: torch.device, dtype: torch.dtype, sides: tuple[int, ...] = _SIDES, seconds: float = _SECONDS
) -> float:
    """Best GFLOP/s of an n×n by n×n product, n in `sides`, each repeated for `seconds`; 2·n³ operations a product.

    Sides whose product would take more than two seconds, as bf16 without instructions for it does, are left out.

    >>> matrix_product_peak(torch.device("cpu"), torch.float32, sides=(64,), seconds=0.01) > 0
    True
    """
    generator = torch.Generator(device="cpu").manual_seed(0)
    best = 0.0
    for side in sides:
        if best and 2 * side**3 / (best * 1e9) > _PATIENCE:
            break
        left, right = (torch.randn(side, side, generator=generator).to(device, dtype) for _ in range(2))
        result = left @ right
        wait_for_device(device)
        started = last = time.perf_counter()
        while last - started < seconds:
            torch.matmul(left, right, out=result)
            wait_for_device(device)
            now = time.perf_counter()
            best, last = max(best, 2 * side**3 / (now - last) / 1e9), now
    return best

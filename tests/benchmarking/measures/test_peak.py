"""The peak on a clock of its own, and what a network is said to compute."""

from __future__ import annotations

import pytest
import torch

from convnets.benchmarking.measures import peak
from convnets.benchmarking.measures.peak import INFERENCE_FLOPS_PER_MAC, TRAINING_FLOPS_PER_MAC, gflops


class Clock:
    """Time that passes by matrix products alone, at `speed` operations a second for each side."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, speed: dict[int, float]) -> None:
        self.now, self.sides = 0.0, []
        real = torch.matmul

        def product(left: torch.Tensor, right: torch.Tensor, *, out: torch.Tensor) -> torch.Tensor:
            side = len(left)
            self.sides.append(side)
            self.now += 2 * side**3 / speed[side]
            return real(left, right, out=out)

        monkeypatch.setattr(torch, "matmul", product)
        monkeypatch.setattr(peak.time, "perf_counter", lambda: self.now)


CPU = torch.device("cpu")


def test_the_best_side_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, {8: 1e9, 16: 5e9, 32: 3e9})
    found = peak.matrix_product_peak(CPU, torch.float32, sides=(8, 16, 32), seconds=1e-4)
    assert found == pytest.approx(5.0)
    assert set(clock.sides) == {8, 16, 32}


def test_a_product_that_would_take_too_long_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, {8: 1000.0, 16: 1000.0})  # 1 s and 8 s a product
    assert peak.matrix_product_peak(CPU, torch.bfloat16, sides=(8, 16), seconds=1.0) == pytest.approx(1e-6)
    assert set(clock.sides) == {8}


def test_operations_of_a_network() -> None:
    assert gflops(500_000_000, INFERENCE_FLOPS_PER_MAC, 10.0) == pytest.approx(10.0)
    assert gflops(500_000_000, TRAINING_FLOPS_PER_MAC, 10.0) == pytest.approx(30.0)

"""Schedules against PyTorch's own schedulers and by hand."""

from __future__ import annotations

import pytest
import torch

from convnets.training.config import TrainConfig
from convnets.training.optimization.schedules import schedule_factor


def factors(scheduler: torch.optim.lr_scheduler.LRScheduler, steps: int) -> list[float]:
    found = []
    for _ in range(steps):
        found.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    return found


def optimizer() -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)


def test_cosine_equals_pytorch() -> None:
    expected = factors(torch.optim.lr_scheduler.CosineAnnealingLR(optimizer(), T_max=50), 50)
    ours = [schedule_factor(TrainConfig(schedule="cosine"), step / 50) for step in range(50)]
    assert ours == pytest.approx(expected)


def test_one_cycle_equals_pytorch() -> None:
    steps = 101  # PyTorch's last step stands at the very end
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer(),
        max_lr=1.0,
        total_steps=steps,
        pct_start=(0.3 * (steps - 1) + 1) / steps,
        div_factor=25,
        final_div_factor=1e12,
        cycle_momentum=False,
    )
    expected = factors(scheduler, steps - 1)
    ours = [
        schedule_factor(TrainConfig(schedule="one-cycle"), step / (steps - 1)) for step in range(steps - 1)
    ]
    assert ours == pytest.approx(expected, abs=1e-9)


def test_triangular_rises_and_falls_in_straight_lines() -> None:
    config = TrainConfig(schedule="triangular")
    found = [schedule_factor(config, p) for p in (0.0, 0.15, 0.3, 0.65, 1.0)]
    assert found == pytest.approx([0.0, 0.5, 1.0, 0.5, 0.0])


def test_step_multiplies_after_the_epochs_named() -> None:
    config = TrainConfig(schedule="step", epochs=10, step_epochs=(3, 6), step_factor=0.5)
    assert [schedule_factor(config, e / 10) for e in (0, 2.9, 3, 5.9, 6, 9.9)] == [1, 1, 0.5, 0.5, 0.25, 0.25]
    halves = TrainConfig(schedule="step", epochs=8)
    assert [schedule_factor(halves, e / 8) for e in (3.9, 4, 6)] == pytest.approx([1, 0.1, 0.01])


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step"])
def test_warm_up_rises_from_zero(schedule: str) -> None:
    config = TrainConfig(schedule=schedule, epochs=10, warmup_epochs=2)
    assert [schedule_factor(config, p) for p in (0.0, 0.1, 0.2)] == pytest.approx([0.0, 0.5, 1.0])


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "triangular"])
def test_progress_past_the_end_stays_at_the_end(schedule: str) -> None:
    assert schedule_factor(TrainConfig(schedule=schedule), 1.2) == pytest.approx(0.0, abs=1e-12)

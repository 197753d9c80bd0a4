"""Learning-rate schedules: the factor on the highest learning rate as a pure function of progress."""

from __future__ import annotations

import math

from convnets.training.config import TrainConfig

__all__ = ["schedule_factor"]

_START = 1 / 25  # one-cycle begins at this share of the highest rate (Smith & Topin 2018)
_RISE = 0.3  # one-cycle's and the triangle's share of the run spent rising


def schedule_factor(config: TrainConfig, progress: float) -> float:
    """Factor on the highest learning rate at `progress`, the share of the run done, 0 to 1.

    - constant: 1
    - step: step_factor to the power of the steps passed
    - cosine: (1 + cos πp) / 2 (Loshchilov & Hutter 2017, without restarts)
    - one-cycle: cosine from 1/25 up to 1 in the first 30 %, then cosine down to 0 (Smith & Topin 2018)
    - triangular: straight up in the first 30 %, straight down to 0
    - linear: straight down to 0

    >>> schedule_factor(TrainConfig(schedule="cosine"), 0.5)
    0.5
    """
    progress = min(max(progress, 0.0), 1.0)
    warmup = config.warmup_epochs / config.epochs
    if config.schedule == "one-cycle":
        if progress < _RISE:
            return _START + (1 - _START) * _half_cosine(1 - progress / _RISE)
        return _half_cosine((progress - _RISE) / (1 - _RISE))
    if config.schedule == "triangular":
        return progress / _RISE if progress < _RISE else (1 - progress) / (1 - _RISE)
    if progress < warmup:
        return progress / warmup
    if config.schedule == "cosine":
        return _half_cosine((progress - warmup) / (1 - warmup)) if warmup < 1 else 1.0
    if config.schedule == "linear":
        return (1 - progress) / (1 - warmup) if warmup < 1 else 1.0
    if config.schedule == "step":
        steps = config.step_epochs or (config.epochs // 2, config.epochs * 3 // 4)
        return float(config.step_factor ** sum(progress * config.epochs >= step for step in steps))
    return 1.0


def _half_cosine(share: float) -> float:
    return (1 + math.cos(math.pi * share)) / 2

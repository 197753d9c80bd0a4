"""Temperature: one number that makes a network as sure as it is right, and changes no answer."""

from __future__ import annotations

import math

from scipy.optimize import minimize_scalar
from torch import Tensor

from convnets.errors import ConfigError, InputError

__all__ = ["apply_temperature", "fit_temperature"]

_LOWEST, _HIGHEST = 0.05, 20.0


def fit_temperature(log_probabilities: Tensor, labels: Tensor) -> float:
    """The T that minimizes the mean cross-entropy of softmax(log p / T) on these images, from 0.05 to 20.

    Guo et al. 2017, "On calibration of modern neural networks", section 4.2. The images must be new to the network,
    and must not have been chosen by. Logits serve as well as their logarithms: softmax(log p / T) is softmax(z / T).

    >>> import torch
    >>> log_p = torch.tensor([[2.0, 0.0]] * 3 + [[-2.0, 0.0]]).log_softmax(1)
    >>> round(fit_temperature(log_p, torch.tensor([0, 0, 1, 1])), 2)
    1.82
    """
    if log_probabilities.ndim != 2 or labels.shape != log_probabilities.shape[:1] or len(labels) == 0:
        shapes = f"{tuple(log_probabilities.shape)} and {tuple(labels.shape)}"
        raise InputError(f"log-probabilities and labels have shapes {shapes}; allowed: N×K and N")
    scores = log_probabilities.double()

    def loss(log_temperature: float) -> float:
        scaled = (scores / math.exp(log_temperature)).log_softmax(1)
        return float(-scaled.gather(1, labels[:, None]).mean())

    # convex in 1/T, and so without a second valley in log T
    found = minimize_scalar(
        loss, bounds=(math.log(_LOWEST), math.log(_HIGHEST)), method="bounded", options={"xatol": 1e-6}
    )
    return math.exp(float(found.x))


def apply_temperature(log_probabilities: Tensor, temperature: float) -> Tensor:
    """log-probabilities N×K (or logits) → those at the temperature T.

    >>> import torch
    >>> apply_temperature(torch.tensor([[0.8, 0.2]]).log(), 2.0).exp()
    tensor([[0.6667, 0.3333]])
    """
    if not temperature > 0 or not math.isfinite(temperature):
        raise ConfigError(f"temperature is {temperature}; allowed: above 0")
    return (log_probabilities / temperature).log_softmax(1)

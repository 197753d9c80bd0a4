"""Gradients: the methods that ask how the score changes with each pixel.

x image, F score (the target's logit, less the contrast's), N images, C channels, H height, W width.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from convnets.errors import ConfigError
from convnets.explanation.attribution.question import Answer, Question, mean_gradients, scores_of_variants

__all__ = ["gradient", "gradient_times_input", "integrated_gradients", "smooth_grad"]


def gradient(question: Question) -> Answer:
    """∂F/∂x: how the score changes with each pixel, N×C×H×W. Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034."""
    return Answer({"": _gradient(question)})


def gradient_times_input(question: Question) -> Answer:
    """x ⊙ ∂F/∂x, N×C×H×W; of a network without biases whose parts are ReLUs, it adds up to F.

    Shrikumar, Greenside, Shcherbina & Kundaje 2016, arXiv:1605.01713. x is the normalized image.
    """
    return Answer({"": _gradient(question) * question.images})


def smooth_grad(question: Question, *, samples: int = 50, spread: float = 0.15) -> Answer:
    """Mean over n noisy images of ∂F/∂x(x + ε), ε ~ N(0, σ²), N×C×H×W; n = 50, σ = 0.15 · (max x − min x).

    Smilkov, Thorat, Kim, Viégas & Wattenberg 2017, "SmoothGrad: removing noise by adding noise", arXiv:1706.03825.
    Raises ConfigError for fewer than one sample or a negative spread.
    """
    if samples < 1 or spread < 0:
        raise ConfigError(f"samples is {samples}, spread {spread}; allowed: 1 sample or more, spread from 0")
    images = question.images
    generator = torch.Generator().manual_seed(question.seed)
    noise = torch.randn(samples, *images.shape[1:], generator=generator, device="cpu").to(
        images.device, images.dtype
    )
    sigma = spread * (images.flatten(1).amax(1) - images.flatten(1).amin(1)).view(-1, 1, 1, 1)

    def noisy(image: Tensor, repeat: Tensor) -> Tensor:
        return images[image] + sigma[image] * noise[repeat]

    return Answer({"": mean_gradients(question, noisy, images.new_full((samples,), 1 / samples))})


def integrated_gradients(
    question: Question,
    *,
    baseline: float = 0.0,
    first_steps: int = 16,
    most_steps: int = 1024,
    tolerance: float = 0.01,
) -> Answer:
    """(x − x₀) ⊙ ∫₀¹ ∂F/∂x(x₀ + t(x − x₀)) dt, N×C×H×W, which adds up to F(x) − F(x₀).

    Sundararajan, Taly & Yan 2017, "Axiomatic attribution for deep networks", arXiv:1703.01365. The integral is a
    Gauss–Legendre sum; steps are doubled, from `first_steps` up to `most_steps`, for the images whose sum is not yet
    within `tolerance` (1 %) of |F(x) − F(x₀)|. What remains is in `residual`, N, and F(x) − F(x₀) in `total`.
    x₀ is `baseline` everywhere: 0, the mean color of the training images where x is normalized.
    Raises ConfigError for fewer than one step.
    """
    if not 1 <= first_steps <= most_steps:
        raise ConfigError(
            f"steps are {first_steps} to {most_steps}; allowed: 1 or more, first no more than most"
        )
    images = question.images
    ends = scores_of_variants(
        question, lambda image, end: torch.where(end.view(-1, 1, 1, 1) > 0, images[image], baseline), 2
    )
    total = ends[:, 1] - ends[:, 0]
    found = torch.zeros_like(images)
    open_places, steps = torch.arange(len(images), device=images.device), first_steps
    while len(open_places):
        found[open_places] = _along_the_line(question.at(open_places), baseline, steps)
        residual = found.flatten(1).sum(1) - total
        open_places = (residual.abs() > tolerance * total.abs()).nonzero()[:, 0]
        steps *= 2
        if steps > most_steps:
            break
    return Answer({"": found}, found.flatten(1).sum(1) - total, total)


def _gradient(question: Question) -> Tensor:
    return mean_gradients(question, lambda image, _: question.images[image], question.images.new_ones(1))


def _along_the_line(question: Question, baseline: float, steps: int) -> Tensor:
    """Gauss–Legendre with `steps` points on the line from the baseline to each image."""
    points, weights = np.polynomial.legendre.leggauss(steps)
    places, shares = (
        torch.tensor(each, dtype=question.images.dtype, device=question.images.device)
        for each in ((points + 1) / 2, weights / 2)
    )
    away = question.images - baseline

    def between(image: Tensor, step: Tensor) -> Tensor:
        return baseline + places[step].view(-1, 1, 1, 1) * away[image]

    return away * mean_gradients(question, between, shares)

"""Optimized images: made, by gradient ascent, to excite a unit. U units, C channels, S side of the network's input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convnets.core.seeds import generator_for
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, InputError
from convnets.evaluation.scores import hardware_for
from convnets.explanation.capture.calls import find_calls
from convnets.explanation.capture.capture import plain_network
from convnets.explanation.capture.layers import choose_layers
from convnets.explanation.capture.watch import watch
from convnets.explanation.inside.seen_boxes import seen_boxes

__all__ = ["optimize_images"]

_RATE = 0.15  # of the pixels' own scale, where a sigmoid makes [0, 1] of any number
_SMOOTHNESS = 0.5  # of the gradient's length that goes into smoothing
_JITTER = 1  # pixels that the image moves by at a step, at most, in the first half of them


def optimize_images(
    network: nn.Module,
    preprocess: Preprocess,
    layer: str,
    units: Sequence[int],
    *,
    steps: int = 96,
    seed: int = 0,
) -> dict[int, NDArray[np.uint8]]:
    """For each of `units`, uint8 C×h×w: an image that its unit in the middle of the map of `layer` answers to strongly.

    Gradient ascent from faint noise on what the unit gives, with pixels held in [0, 1], the image moved by a pixel at
    random in the first half of the steps, its differences from neighbors made smaller, cut to what the unit sees
    (Erhan et al. 2009, "Visualizing higher-layer features of a deep network"; Olah, Mordvintsev & Schubert 2017,
    "Feature visualization").
    Such an image is less reliable than real patches: it shows something that excites the unit, not what does so in the
    data. Raises ConfigError for fewer than 1 step, InputError and UnknownNameError for what is not there.
    """
    if steps < 1:
        raise ConfigError(f"steps is {steps}; allowed: 1 or more")
    network = plain_network(network)
    device = hardware_for(network, None).device
    shape = (preprocess.channels, preprocess.size, preprocess.size)
    call = choose_layers(find_calls(network, torch.zeros(1, *shape, device=device)), layer)[0]
    if call.shape is None or len(call.shape) != 4:
        raise InputError(f"{call.name} gives no maps; choose a layer that gives N×C×H×W")
    for unit in units:
        if not 0 <= unit < call.shape[1]:
            raise InputError(f"unit {unit} of {call.name}; it has units 0 to {call.shape[1] - 1}")
    place = call.shape[2] // 2, call.shape[3] // 2
    # the purpose is part of the seed: another spelling would give other images
    random = generator_for(seed, "optimised image")
    inner = (0.1 * torch.randn(len(units), *shape, generator=random)).to(device)
    for step in range(steps):
        left = 1 - step / steps
        moves = (
            torch.randint(-_JITTER, _JITTER + 1, (2,), generator=random).tolist() if left > 0.5 else [0, 0]
        )
        moved = inner.roll(moves, (2, 3)).requires_grad_(True)
        with torch.inference_mode(False), torch.enable_grad():
            image = preprocess.normalize(moved.sigmoid())
            rough = _roughness(moved.sigmoid())
        # the watch is opened for a step only, so that the network is as found whenever this is interrupted
        with watch(network, [call]) as watching:
            found = watching.run(image.detach(), gradients=True)
            score = found.maps[call.name][torch.arange(len(units)), list(units), place[0], place[1]]
            slope = found.image_gradient(score)
        (uphill,) = torch.autograd.grad(image, moved, slope.to(image.dtype), retain_graph=True)
        (rougher,) = torch.autograd.grad(rough, moved)
        ahead = _unit_length(uphill) - _SMOOTHNESS * left * _unit_length(rougher)
        rate = _RATE * left * np.sqrt(np.prod(shape))
        inner = (moved.detach() + rate * ahead).roll([-move for move in moves], (2, 3))
    top, bottom, first, last = seen_boxes(network, call, shape).inside(*place)
    pixels = (inner.sigmoid() * 255).round().to(torch.uint8).cpu().numpy()[:, :, top:bottom, first:last]
    return dict(zip(units, pixels, strict=True))


def _roughness(images: Tensor) -> Tensor:
    """Squared differences of neighboring pixels, added up."""
    return images.diff(dim=2).square().sum() + images.diff(dim=3).square().sum()


def _unit_length(values: Tensor) -> Tensor:
    """Each image's values divided by their Euclidean length; zeros stay zeros."""
    length: Tensor = torch.linalg.vector_norm(values, dim=(1, 2, 3), keepdim=True)
    return values / length.clamp(min=1e-12)

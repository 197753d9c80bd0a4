"""Initialisers of a network: what the weights of convolutions and linear layers are before the first step.

The rules for one weight, with their formulas and papers, are in `initialisers`. Biases and the scales of batch norm
are left as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Generator, Tensor, nn

from convnets.errors import UnknownNameError, UsageError
from convnets.layers import initialisers
from convnets.layers.convolution import Convolution
from convnets.layers.linear import Linear

__all__ = ["INITIALISERS", "Initialiser", "initialise"]

Initialiser = Callable[[Tensor, Generator | None], object]
"""Fills a weight, K×C or K×C×…, in place, from a generator (None: PyTorch's own)."""

_LAYERS = (nn.Linear, nn.modules.conv._ConvNd, Linear, Convolution)


def _constant(weight: Tensor, _: Generator | None) -> None:
    initialisers.constant_(weight)


def _dirac(weight: Tensor, _: Generator | None, groups: int = 1) -> None:
    initialisers.dirac_(weight, groups)


def _by_generator(rule: Callable[..., Tensor], **options: float) -> Initialiser:
    def draw(weight: Tensor, generator: Generator | None) -> None:
        rule(weight, generator=generator, **options)

    return draw


_BY_NAME: dict[str, Initialiser] = {
    "xavier-uniform": _by_generator(initialisers.xavier_uniform_),
    "xavier-normal": _by_generator(initialisers.xavier_normal_),
    "kaiming-uniform": _by_generator(initialisers.kaiming_uniform_),
    "kaiming-normal": _by_generator(initialisers.kaiming_normal_),
    "normal": _by_generator(initialisers.normal_),
    "constant": _constant,
    # √2 is He's gain for ReLU, so that orthogonal weights carry a signal as far as Kaiming's
    "orthogonal": _by_generator(initialisers.orthogonal_, gain=math.sqrt(2)),
    "dirac": _dirac,
}

INITIALISERS: tuple[str, ...] = tuple(_BY_NAME)
"""Names that `initialise` knows."""


def initialise(network: nn.Module, rule: str | Initialiser, *, seed: int | None = None) -> None:
    """Draw the weights of every convolution and linear layer of `network` anew, in place.

    - `xavier-uniform`: U(−a, a), a = √(6 / (fan_in + fan_out)); `xavier-normal`: variance 2 / (fan_in + fan_out).
    - `kaiming-uniform`: U(−a, a), a = √(6 / fan_in); `kaiming-normal`: variance 2 / fan_in, right for ReLU.
    - `normal`: N(0, 0.01²), as AlexNet had it.
    - `constant`: every weight 1, which shows why symmetry must be broken: all units of a layer stay equal.
    - `orthogonal`: rows (or columns) at right angles, scaled by √2.
    - `dirac`: each channel goes through as it is, in each group of a convolution.
    - or any callable that fills a weight: `lambda weight, generator: normal_(weight, 0.02, generator=generator)`.

    With a `seed` the draw depends on it alone, on every device, and no other random number moves; without, it
    comes from PyTorch's own generator. Raises UnknownNameError for another name and UsageError for a layer
    whose weights do not exist yet (a lazy one).

    >>> linear = nn.Linear(100, 50)
    >>> initialise(linear, "xavier-uniform", seed=0)
    >>> bool(linear.weight.abs().max() <= math.sqrt(6 / 150))
    True
    """
    if isinstance(rule, str) and rule not in _BY_NAME:
        raise UnknownNameError("initialiser", rule, INITIALISERS)
    generator = None if seed is None else torch.Generator(device="cpu").manual_seed(seed)
    for path, layer in network.named_modules():
        if isinstance(layer, _LAYERS):
            if isinstance(layer.weight, nn.parameter.UninitializedParameter):
                raise UsageError(
                    f"layer {path!r} is lazy and has no weights yet; run the network once before"
                )
            _draw(layer.weight, _rule_for(layer, rule), generator)


def _rule_for(layer: nn.Module, rule: str | Initialiser) -> Initialiser:
    if rule == "dirac":
        return partial(_dirac, groups=getattr(layer, "groups", 1))
    return _BY_NAME[rule] if isinstance(rule, str) else rule


@torch.no_grad()
def _draw(weight: Tensor, draw: Initialiser, generator: Generator | None) -> None:
    if generator is None or weight.device.type == "meta":
        draw(weight, None)
        return
    # drawn on the CPU in float32: the same numbers whatever device and precision the weight has
    drawn = torch.empty(weight.shape, dtype=torch.float32, device="cpu")
    draw(drawn, generator)
    weight.copy_(drawn)

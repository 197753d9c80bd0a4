"""Initializers of a network: what the weights of convolutions and linear layers are before the first step.

The rules for one weight, with their formulas and papers, are in `initializers`. Biases and the scales of batch norm
are left as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Generator, Tensor, nn

from convnets.errors import UnknownNameError, UsageError
from convnets.layers.convolution import Convolution
from convnets.layers.initialization import initializers as initializers
from convnets.layers.linear import Linear

__all__ = ["INITIALIZERS", "Initializer", "fill", "initialize", "initializer_for"]

Initializer = Callable[[Tensor, Generator | None], object]
"""Fills a weight, K×C or K×C×…, in place, from a generator (None: PyTorch's own)."""

_LAYERS = (nn.Linear, nn.modules.conv._ConvNd, Linear, Convolution)


def _constant(weight: Tensor, _: Generator | None) -> None:
    initializers.constant_(weight)


def _dirac(weight: Tensor, _: Generator | None, groups: int = 1) -> None:
    initializers.dirac_(weight, groups)


def _by_generator(rule: Callable[..., Tensor], **options: float) -> Initializer:
    def draw(weight: Tensor, generator: Generator | None) -> None:
        rule(weight, generator=generator, **options)

    return draw


_BY_NAME: dict[str, Initializer] = {
    "xavier-uniform": _by_generator(initializers.xavier_uniform_),
    "xavier-normal": _by_generator(initializers.xavier_normal_),
    "kaiming-uniform": _by_generator(initializers.kaiming_uniform_),
    "kaiming-normal": _by_generator(initializers.kaiming_normal_),
    "normal": _by_generator(initializers.normal_),
    "constant": _constant,
    # √2 is He's gain for ReLU, so that orthogonal weights carry a signal as far as Kaiming's
    "orthogonal": _by_generator(initializers.orthogonal_, gain=math.sqrt(2)),
    "dirac": _dirac,
}

INITIALIZERS: tuple[str, ...] = tuple(_BY_NAME)
"""Names that `initialize` knows."""


def initialize(network: nn.Module, rule: str | Initializer, *, seed: int | None = None) -> None:
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
    >>> initialize(linear, "xavier-uniform", seed=0)
    >>> bool(linear.weight.abs().max() <= math.sqrt(6 / 150))
    True
    """
    generator = None if seed is None else Generator(device="cpu").manual_seed(seed)
    initializer_for(network, rule)  # refuses an unknown name, whatever the network holds
    for path, layer in network.named_modules():
        if isinstance(layer, _LAYERS):
            fill(layer.weight, initializer_for(layer, rule), generator, path)


def initializer_for(layer: nn.Module, rule: str | Initializer) -> Initializer:
    """The function of a named rule for weights of `layer`, whose groups `dirac` looks at; a function as it is.

    Raises UnknownNameError for a name that is not known.
    """
    if not isinstance(rule, str):
        return rule
    if rule not in _BY_NAME:
        raise UnknownNameError("initializer", rule, INITIALIZERS)
    return partial(_dirac, groups=getattr(layer, "groups", 1)) if rule == "dirac" else _BY_NAME[rule]


@torch.no_grad()
def fill(weight: Tensor, rule: Initializer, generator: Generator | None, name: str) -> None:
    """Draw `weight` anew, in place. Raises UsageError for a lazy one; `name` is what the message calls its layer."""
    if isinstance(weight, nn.parameter.UninitializedParameter):
        raise UsageError(f"layer {name!r} is lazy and has no weights yet; run the network once before")
    if weight.is_meta:  # no numbers to draw; PyTorch would import its compiler, a second, to draw none
        return
    if generator is None:
        rule(weight, None)
        return
    # drawn on the CPU in float32: the same numbers whatever device and precision the weight has
    drawn = torch.empty(weight.shape, dtype=torch.float32, device="cpu")
    rule(drawn, generator)
    weight.copy_(drawn)

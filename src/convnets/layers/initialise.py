"""Initialisers: what the weights of convolutions and linear layers are before the first step.

fan_in is the number of inputs that one output sums over (C·k·k for a convolution), fan_out the number of
outputs that one input feeds. Biases and the scales of batch norm are left as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from convnets.errors import UnknownNameError, UsageError

__all__ = ["INITIALISERS", "initialise"]

_Generator = torch.Generator | None


def _xavier_uniform(weight: Tensor, generator: _Generator) -> None:
    nn.init.xavier_uniform_(weight, generator=generator)


def _xavier_normal(weight: Tensor, generator: _Generator) -> None:
    nn.init.xavier_normal_(weight, generator=generator)


def _kaiming_uniform(weight: Tensor, generator: _Generator) -> None:
    nn.init.kaiming_uniform_(weight, nonlinearity="relu", generator=generator)


def _kaiming_normal(weight: Tensor, generator: _Generator) -> None:
    nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)


def _normal(weight: Tensor, generator: _Generator) -> None:
    nn.init.normal_(weight, std=0.01, generator=generator)


def _constant(weight: Tensor, _: _Generator) -> None:
    nn.init.ones_(weight)


def _orthogonal(weight: Tensor, generator: _Generator) -> None:
    # √2 is He's gain for ReLU, so that orthogonal weights carry a signal as far as Kaiming's
    nn.init.orthogonal_(weight, gain=math.sqrt(2), generator=generator)


_BY_NAME: dict[str, Callable[[Tensor, _Generator], None]] = {
    "xavier-uniform": _xavier_uniform,
    "xavier-normal": _xavier_normal,
    "kaiming-uniform": _kaiming_uniform,
    "kaiming-normal": _kaiming_normal,
    "normal": _normal,
    "constant": _constant,
    "orthogonal": _orthogonal,
}

INITIALISERS: tuple[str, ...] = tuple(_BY_NAME)
"""Names that `initialise` knows."""


def initialise(network: nn.Module, name: str, *, seed: int | None = None) -> None:
    """Draw the weights of every convolution and linear layer of `network` anew, in place.

    - `xavier-uniform`: U(−a, a), a = √(6 / (fan_in + fan_out)); `xavier-normal`: variance 2 / (fan_in + fan_out).
      Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks".
    - `kaiming-uniform`: U(−a, a), a = √(6 / fan_in); `kaiming-normal`: variance 2 / fan_in, right for ReLU.
      He et al. 2015, "Delving deep into rectifiers".
    - `normal`: N(0, 0.01²), as AlexNet had it.
    - `constant`: every weight 1, which shows why symmetry must be broken: all units of a layer stay equal.
    - `orthogonal`: rows (or columns) at right angles, scaled by √2. Saxe et al. 2014, "Exact solutions to the
      nonlinear dynamics of learning in deep linear neural networks".

    With a `seed` the draw depends on it alone, on every device, and no other random number moves; without, it
    comes from PyTorch's own generator. Raises UnknownNameError for another name and UsageError for a layer
    whose weights do not exist yet (a lazy one).

    >>> linear = nn.Linear(100, 50)
    >>> initialise(linear, "xavier-uniform", seed=0)
    >>> bool(linear.weight.abs().max() <= math.sqrt(6 / 150))
    True
    """
    if name not in _BY_NAME:
        raise UnknownNameError("initialiser", name, INITIALISERS)
    generator = None if seed is None else torch.Generator(device="cpu").manual_seed(seed)
    for path, layer in network.named_modules():
        if isinstance(layer, nn.Linear | nn.modules.conv._ConvNd):
            if isinstance(layer.weight, nn.parameter.UninitializedParameter):
                raise UsageError(
                    f"layer {path!r} is lazy and has no weights yet; run the network once before"
                )
            _draw(layer.weight, _BY_NAME[name], generator)


@torch.no_grad()
def _draw(weight: Tensor, draw: Callable[[Tensor, _Generator], None], generator: _Generator) -> None:
    if generator is None or weight.device.type == "meta":
        draw(weight, None)
        return
    # drawn on the CPU in float32: the same numbers whatever device and precision the weight has
    drawn = torch.empty(weight.shape, dtype=torch.float32, device="cpu")
    draw(drawn, generator)
    weight.copy_(drawn)

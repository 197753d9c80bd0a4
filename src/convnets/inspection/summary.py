"""Summary: the layers of a network in the order they run, with output shapes and parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from convnets.errors import InputError

__all__ = ["LayerSummary", "NetworkSummary", "summarise"]


@dataclass(frozen=True)
class LayerSummary:
    """One layer that has no layers inside, each time it runs."""

    name: str
    """Its path in the network, such as stage2.0.conv1."""
    kind: str
    """Name of its class."""
    output_shape: tuple[int, ...]
    """For a batch of one: 1×C×H×W or 1×D."""
    parameters: int


@dataclass(frozen=True)
class NetworkSummary:
    """All layers, and the totals of the network."""

    network: str
    input_shape: tuple[int, ...]
    """C×H×W of one image."""
    layers: tuple[LayerSummary, ...]
    parameters: int
    trainable_parameters: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        rows = [("layer", "kind", "output", "parameters")]
        rows += [(e.name, e.kind, _times(e.output_shape[1:]), f"{e.parameters:,}") for e in self.layers]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [f"{self.network}, input {_times(self.input_shape)}"]
        lines += [
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in rows
        ]
        total = f"{self.parameters:,} parameters"
        if self.trainable_parameters != self.parameters:
            total += f", {self.trainable_parameters:,} of them trainable"
        return "\n".join([*lines, total])


def _times(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


def summarise(network: nn.Module, input_shape: Sequence[int]) -> NetworkSummary:
    """Run one image of C×H×W = `input_shape` through `network` and write down what each layer gives.

    Works on any device, the meta device included, where nothing is computed. The network's mode stays as found.

    >>> print(summarise(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), (1, 2, 2)))
    Sequential, input 1×2×2
    layer  kind     output  parameters
    0      Flatten       4           0
    1      Linear        2          10
    10 parameters
    """
    if len(input_shape) != 3:
        raise InputError(f"input shape is {tuple(input_shape)}; allowed: C×H×W, such as (1, 28, 28)")
    layers: list[LayerSummary] = []
    names = {module: name for name, module in network.named_modules()}
    weight = next(network.parameters(), None)
    image = torch.zeros(1, *input_shape, device=None if weight is None else weight.device)

    def note(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            count = sum(p.numel() for p in module.parameters())
            layers.append(LayerSummary(names[module], type(module).__name__, tuple(output.shape), count))

    leaves = [module for module in network.modules() if not any(module.children())]
    hooks = [module.register_forward_hook(note) for module in leaves]
    modes = {module: module.training for module in network.modules()}
    try:
        with torch.no_grad():
            network.eval()(image)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes.items():
            module.training = mode
    known = getattr(network, "architecture", None)
    parameters = list(network.parameters())
    return NetworkSummary(
        network=type(network).__name__ if known is None else known.name,
        input_shape=tuple(input_shape),
        layers=tuple(layers),
        parameters=sum(p.numel() for p in parameters),
        trainable_parameters=sum(p.numel() for p in parameters if p.requires_grad),
    )

"""Sequential: layers one after the other."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from convnets.errors import UsageError

__all__ = ["Sequential"]


class Sequential(nn.Module):
    """x → layer 0 → layer 1 → …: y = f_L(… f₁(f₀(x))). State-dict keys as `nn.Sequential` has them.

    A number gives a layer, a slice a network of some of them, which shares their weights.

    >>> import torch
    >>> network = Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> network[:2](torch.zeros(5, 2, 2)).shape
    torch.Size([5, 3])
    """

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        for place, layer in enumerate(layers):
            self.add_module(str(place), layer)  # registered, so that its parameters are found

    def forward(self, x: Tensor) -> Tensor:
        """What the last layer gives; `x` itself without layers."""
        for layer in self:
            x = layer(x)
        return x

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[nn.Module]:
        for layer in self._modules.values():  # children() would leave out a layer's second place
            assert layer is not None
            yield layer

    def __getitem__(self, place: int | slice) -> nn.Module:
        layers = list(self)
        if isinstance(place, slice):
            return Sequential(*layers[place])
        if not -len(layers) <= place < len(layers):
            raise UsageError(
                f"layer {place} of a container of {len(layers)}; allowed: 0 to {len(layers) - 1}"
            )
        return layers[place]

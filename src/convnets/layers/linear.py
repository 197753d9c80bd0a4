"""The linear layer: every output is a weighted sum of all inputs. N images, D inputs, K outputs."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from convnets.errors import InputError
from convnets.layers.number_types import for_products

__all__ = ["Linear", "linear"]


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y = x Wᵀ + b: x …×D, weight K×D, bias K → …×K.

    Whole numbers are added up as int64, or as floats where one of both has floats. Raises InputError where the D
    differ.

    >>> linear(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]), torch.tensor([5.0]))
    tensor([[16.]])
    """
    if x.shape[-1] != weight.shape[1]:
        raise InputError(f"linear layer got {x.shape[-1]} inputs; its weights take {weight.shape[1]}")
    x, weight = for_products(x, weight)
    y = x @ weight.T  # …×K
    return y if bias is None else y + bias


class Linear(nn.Module):
    """`linear` with weights of its own: …×`in_features` → …×`out_features`; state-dict keys as `nn.Linear` has them.

    Weights and biases start from U(−a, a), a = 1 / √D, as PyTorch's do.

    >>> Linear(784, 10)(torch.zeros(2, 784)).shape
    torch.Size([2, 10])
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        bound = 1 / math.sqrt(in_features)
        self.weight = nn.Parameter(torch.empty(out_features, in_features).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(out_features).uniform_(-bound, bound)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """…×K."""
        return linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes, for `print(network)`."""
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}"

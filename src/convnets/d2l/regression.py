"""Linear regression of the later editions: data, the network written out, and the same of PyTorch's layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from convnets.d2l.data.data_modules import DataModule
from convnets.d2l.hyper_parameters import HyperParameters
from convnets.d2l.modules import Module

__all__ = ["SGD", "LinearRegression", "LinearRegressionScratch", "SyntheticRegressionData"]


class SyntheticRegressionData(DataModule):
    """Points of a line with noise, for linear regression."""

    def __init__(
        self,
        w: Tensor,
        b: float,
        noise: float = 0.01,
        num_train: int = 1000,
        num_val: int = 1000,
        batch_size: int = 32,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.num_train, self.batch_size = num_train, batch_size
        n = num_train + num_val
        self.X = torch.randn(n, len(w))
        self.y = torch.matmul(self.X, w.reshape((-1, 1))) + b + torch.randn(n, 1) * noise

    def get_dataloader(self, train: bool) -> DataLoader[tuple[Tensor, ...]]:
        """The first `num_train` points, or the others."""
        indices = slice(0, self.num_train) if train else slice(self.num_train, None)
        return self.get_tensorloader((self.X, self.y), train, indices)


class SGD(HyperParameters):
    """Plain gradient descent, written out."""

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        self.save_hyperparameters()
        self.params, self.lr = list(params), lr

    @torch.no_grad()
    def step(self) -> None:
        """Move against the gradients."""
        for param in self.params:
            if param.grad is not None:
                param -= self.lr * param.grad

    def zero_grad(self) -> None:
        """Set the gradients to zero."""
        for param in self.params:
            if param.grad is not None:
                param.grad.zero_()


class LinearRegressionScratch(Module):
    """Linear regression with its own weights, loss and optimizer."""

    def __init__(self, num_inputs: int, lr: float, sigma: float = 0.01) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr
        self.w = torch.normal(0, sigma, (num_inputs, 1), requires_grad=True)
        self.b = torch.zeros(1, requires_grad=True)

    def forward(self, X: Tensor) -> Tensor:
        """Xw + b."""
        return torch.matmul(X, self.w) + self.b

    def loss(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """Mean of half the squared differences."""
        return ((y_hat - y) ** 2 / 2).mean()

    def configure_optimizers(self) -> Any:
        """`SGD` of this module."""
        return SGD([self.w, self.b], self.lr)


class LinearRegression(Module):
    """Linear regression of PyTorch's own layers."""

    def __init__(self, lr: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr
        self.net = nn.LazyLinear(1)
        self.net.weight.data.normal_(0, 0.01)
        self.net.bias.data.fill_(0)

    def loss(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """Mean of the squared differences."""
        return F.mse_loss(y_hat, y)

    def get_w_b(self) -> tuple[Tensor, Tensor]:
        """Weights and bias."""
        return self.net.weight.data, self.net.bias.data

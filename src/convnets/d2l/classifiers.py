"""The later editions' networks that name classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convnets.d2l.modules import Module

__all__ = ["Classifier", "LeNet", "SoftmaxRegression"]


class Classifier(Module):
    """A Module that names classes: cross-entropy and accuracy."""

    def validation_step(self, batch: Sequence[Any]) -> None:
        """Loss and accuracy of a batch that is not learned from."""
        Y_hat = self(*batch[:-1])
        self.plot("loss", self.loss(Y_hat, batch[-1]), train=False)
        self.plot("acc", self.accuracy(Y_hat, batch[-1]), train=False)

    def loss(self, Y_hat: Tensor, Y: Tensor, averaged: bool = True) -> Tensor:
        """Cross-entropy of logits, its mean or a number for each example."""
        logits = Y_hat.reshape((-1, Y_hat.shape[-1]))
        return F.cross_entropy(logits, Y.reshape((-1,)), reduction="mean" if averaged else "none")

    def accuracy(self, Y_hat: Tensor, Y: Tensor, averaged: bool = True) -> Tensor:
        """Share of right predictions, or a 1 or 0 for each."""
        predicted = Y_hat.reshape((-1, Y_hat.shape[-1])).argmax(dim=1).type(Y.dtype)
        right = (predicted == Y.reshape(-1)).type(torch.float32)
        return right.mean() if averaged else right

    def layer_summary(self, X_shape: Sequence[int]) -> None:
        """Print the output shape of each part of `self.net`, for an input of `X_shape`."""
        X = torch.randn(*X_shape)
        net: Any = self.net
        for layer in net:
            X = layer(X)
            print(layer.__class__.__name__, "output shape:\t", X.shape)  # noqa: T201  the book's listings print


class SoftmaxRegression(Classifier):
    """One linear layer from pixels to the logits of `num_outputs` classes.

    >>> SoftmaxRegression(10, lr=0.1)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(self, num_outputs: int, lr: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr
        self.net = nn.Sequential(nn.Flatten(), nn.LazyLinear(num_outputs))


class LeNet(Classifier):
    """LeNet-5 with sigmoids and lazy layers, as the later editions write it."""

    def __init__(self, lr: float = 0.1, num_classes: int = 10) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr
        self.net = nn.Sequential(
            nn.LazyConv2d(6, kernel_size=5, padding=2),
            nn.Sigmoid(),
            nn.AvgPool2d(kernel_size=2, stride=2),
            nn.LazyConv2d(16, kernel_size=5),
            nn.Sigmoid(),
            nn.AvgPool2d(kernel_size=2, stride=2),
            nn.Flatten(),
            nn.LazyLinear(120),
            nn.Sigmoid(),
            nn.LazyLinear(84),
            nn.Sigmoid(),
            nn.LazyLinear(num_classes),
        )

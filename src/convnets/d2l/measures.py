"""Counting: sums, seconds, accuracy and loss over whatever yields (X, y)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from convnets.errors import InputError

__all__ = [
    "Accumulator",
    "Timer",
    "accuracy",
    "evaluate_accuracy",
    "evaluate_accuracy_gpu",
    "evaluate_loss",
    "hits",
    "plain_number",
    "some",
]

Pairs = Iterable[Any]
"""Whatever yields (X, y)."""


def some(batches: Pairs, name: str) -> Iterator[Any]:
    """What `batches` yields; raises InputError where that is nothing, such as an iterator that is used up.

    >>> list(some([], "train_iter"))
    Traceback (most recent call last):
        ...
    convnets.errors.InputError: train_iter yields no batch; allowed: one or more each time that it is iterated; a \
generator is used up by one pass, a list or DataLoader is not
    """
    found = False
    for batch in batches:
        found = True
        yield batch
    if not found:
        raise InputError(
            f"{name} yields no batch; allowed: one or more each time that it is iterated; "
            "a generator is used up by one pass, a list or DataLoader is not"
        )


def plain_number(value: Any) -> float:
    """A number, or a tensor with one, whether or not it has a gradient; waits for the device.

    >>> plain_number(torch.ones(1, requires_grad=True) * 2)
    2.0
    """
    return float(value.detach()) if isinstance(value, Tensor) else float(value)


class Accumulator:
    """Sums over `n` variables.

    >>> metric = Accumulator(2)
    >>> metric.add(1, torch.tensor(2.0))
    >>> metric.add(3, 4)
    >>> metric[0], metric[1]
    (4.0, 6.0)
    """

    def __init__(self, n: int) -> None:
        self.data = [0.0] * n

    def add(self, *numbers: Any) -> None:
        """Add one number to each sum; sums without a number stay, and numbers without a sum are left out."""
        for index, number in zip(range(len(self.data)), numbers, strict=False):
            self.data[index] += plain_number(number)

    def reset(self) -> None:
        """Begin again at zero."""
        self.data = [0.0] * len(self.data)

    def __getitem__(self, index: int) -> float:
        return self.data[index]


class Timer:
    """Seconds of several stretches of time; the first starts now."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.start()

    def start(self) -> None:
        """Start a stretch."""
        self.tik = time.perf_counter()

    def stop(self) -> float:
        """End it; returns its seconds."""
        self.times.append(time.perf_counter() - self.tik)
        return self.times[-1]

    def avg(self) -> float:
        """Mean seconds of a stretch; 0 before the first."""
        return self.sum() / max(1, len(self.times))

    def sum(self) -> float:
        """Seconds of all stretches."""
        return sum(self.times)

    def cumsum(self) -> list[float]:
        """Seconds until the end of each stretch."""
        return [float(seconds) for seconds in numpy.cumsum(self.times)]


def accuracy(y_hat: Tensor, y: Tensor) -> float:
    """How many predictions are right: a number, not a share.

    >>> accuracy(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 1]))
    1.0
    """
    return float(hits(y_hat, y))


def hits(y_hat: Tensor, y: Tensor) -> Tensor:
    """The same as a tensor on its device, which is not waited for."""
    if y_hat.ndim > 1 and y_hat.shape[1] > 1:
        y_hat = y_hat.argmax(dim=1)
    return (y_hat.type(y.dtype) == y).sum()


def evaluate_accuracy(net: Callable[[Any], Tensor], data_iter: Pairs) -> float:
    """Share of the images of `data_iter` that `net` (a module or a function) gets right."""
    return evaluate_accuracy_gpu(net, data_iter)


def evaluate_accuracy_gpu(
    net: Callable[[Any], Tensor], data_iter: Pairs, device: torch.device | str | None = None
) -> float:
    """The same on `device`, by default the one that the network's parameters are on.

    A module is in evaluation mode meanwhile and afterwards. Hits are counted on the device and read once.
    """
    if isinstance(net, nn.Module):
        net.eval()
        if device is None:
            device = next((parameter.device for parameter in net.parameters()), None)
    right: Tensor | int = 0
    seen = 0
    with torch.no_grad():
        for X, y in some(data_iter, "data_iter"):
            X, y = _moved(X, device), y if device is None else y.to(device)
            right = right + hits(net(X), y)
            seen += y.numel()
    return float(right) / max(1, seen)


def evaluate_loss(
    net: Callable[[Any], Tensor], data_iter: Pairs, loss: Callable[[Tensor, Tensor], Tensor]
) -> float:
    """Mean loss of `net` over `data_iter`; `loss` may give a number per example or one for the batch."""
    metric = Accumulator(2)
    for X, y in some(data_iter, "data_iter"):
        out = net(X)
        value = loss(out, y.reshape(out.shape) if y.numel() == out.numel() else y)
        metric.add(value.detach().sum(), value.numel())
    return metric[0] / max(1.0, metric[1])


def _moved(X: Any, device: torch.device | str | None) -> Any:
    if device is None:
        return X
    return [x.to(device) for x in X] if isinstance(X, list) else X.to(device)

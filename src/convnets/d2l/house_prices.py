"""The chapter on house prices: K-fold validation and the error of logarithms, in the signatures of both editions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convnets.d2l.data.kaggle_house import KaggleHouse, import_pandas, k_fold_data
from convnets.d2l.data.loaders import load_array
from convnets.d2l.figures import plot
from convnets.d2l.modules import Trainer
from convnets.d2l.regression import LinearRegression
from convnets.errors import ConfigError, InputError

__all__ = ["get_k_fold_data", "k_fold", "log_rmse", "train_and_pred"]

_Network = Callable[[], nn.Module]


def log_rmse(net: Callable[[Tensor], Tensor], features: Tensor, labels: Tensor) -> float:
    """√(mean of (log ŷ − log y)²): an error in shares of the price; predictions below 1 count as 1.

    >>> round(log_rmse(lambda x: x, torch.tensor([[20.0], [0.0]]), torch.tensor([[10.0], [1.0]])), 4)
    0.4901
    """
    with torch.no_grad():
        predicted = net(features)
    if predicted.shape != labels.shape:
        raise InputError(
            f"predictions have shape {tuple(predicted.shape)}, labels {tuple(labels.shape)}; allowed: the same"
        )
    return float(F.mse_loss(predicted.clamp(min=1).log(), labels.log()).sqrt())


def get_k_fold_data(k: int, i: int, X: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features and labels to learn from, then those of part `i` (from 0); the last part takes the rows that are left.

    Raises ConfigError where k is below 2 or above the number of rows, or there is no part i.

    >>> [part.tolist() for part in get_k_fold_data(2, 1, torch.arange(5).reshape(5, 1), torch.arange(5))[2:]]
    [[[2], [3], [4]], [2, 3, 4]]
    """
    rows = X.shape[0]
    if not 2 <= k <= rows or not 0 <= i < k:
        raise ConfigError(f"k is {k}, i is {i}; allowed: k from 2 to {rows} rows, i from 0 to k − 1")
    size = rows // k
    start, end = i * size, rows if i == k - 1 else (i + 1) * size
    kept = torch.cat([torch.arange(start), torch.arange(end, rows)])
    return X[kept], y[kept], X[start:end], y[start:end]


@overload
def k_fold(
    k: int,
    X_train: Tensor,
    y_train: Tensor,
    num_epochs: int,
    learning_rate: float,
    weight_decay: float,
    batch_size: int,
    *,
    get_net: _Network | None = None,
) -> tuple[float, float]: ...
@overload
def k_fold(trainer: Trainer, data: KaggleHouse, k: int, lr: float) -> list[LinearRegression]: ...
def k_fold(*given: Any, **named: Any) -> Any:
    """K-fold validation in the signatures of both editions, told apart by the first argument.

    - `k_fold(k, X_train, y_train, num_epochs, learning_rate, weight_decay, batch_size)`: mean log-RMSE of training and
      of validation. `get_net` makes the network, by default a linear one.
    - `k_fold(trainer, data, k, lr)`: the k models of linear regression, each judged by another part of `data`.
    """
    is_later = (given and isinstance(given[0], Trainer)) or "trainer" in named
    return _fold_models(*given, **named) if is_later else _fold_errors(*given, **named)


def _fold_errors(
    k: int,
    X_train: Tensor,
    y_train: Tensor,
    num_epochs: int,
    learning_rate: float,
    weight_decay: float,
    batch_size: int,
    *,
    get_net: _Network | None = None,
) -> tuple[float, float]:
    ends = []
    for i in range(k):
        X, y, X_valid, y_valid = get_k_fold_data(k, i, X_train, y_train)
        net = _network(get_net, X_train)
        train_ls, valid_ls = _train(
            net, (X, y), (X_valid, y_valid), num_epochs, learning_rate, weight_decay, batch_size
        )
        ends.append((train_ls[-1], valid_ls[-1]))
        if i == 0:
            _plot(num_epochs, [train_ls, valid_ls], "rmse", ["train", "valid"])
        print(f"fold {i + 1}, train log rmse {train_ls[-1]:f}, valid log rmse {valid_ls[-1]:f}")  # noqa: T201
    train_mean, valid_mean = (sum(each) / k for each in zip(*ends, strict=True))
    return train_mean, valid_mean


def _fold_models(trainer: Trainer, data: KaggleHouse, k: int, lr: float) -> list[LinearRegression]:
    losses, models = [], []
    for i, fold in enumerate(k_fold_data(data, k)):
        model = LinearRegression(lr)
        model.board.yscale = "log"
        model.board.display = i == 0
        trainer.fit(model, fold)
        losses.append(float(model.board.data["val_loss"][-1].y))
        models.append(model)
    print(f"average validation log mse = {sum(losses) / len(losses)}")  # noqa: T201  the book's listings print
    return models


def train_and_pred(
    train_features: Tensor,
    test_features: Tensor,
    train_labels: Tensor,
    test_data: Any,
    num_epochs: int,
    lr: float,
    weight_decay: float,
    batch_size: int,
    *,
    get_net: _Network | None = None,
) -> None:
    """Train on all rows, price those of `test_data` (a table with `Id`), and write `submission.csv` here."""
    pandas = import_pandas()
    net = _network(get_net, train_features)
    train_ls, _ = _train(net, (train_features, train_labels), None, num_epochs, lr, weight_decay, batch_size)
    _plot(num_epochs, [train_ls], "log rmse", None)
    print(f"train log rmse {train_ls[-1]:f}")  # noqa: T201  the book's listings print
    with torch.no_grad():
        predicted = net(test_features).numpy()
    test_data["SalePrice"] = predicted.reshape(-1)
    columns = [test_data["Id"], test_data["SalePrice"]]
    pandas.concat(columns, axis=1).to_csv("submission.csv", index=False)


def _network(get_net: _Network | None, features: Tensor) -> nn.Module:
    return nn.Sequential(nn.Linear(features.shape[1], 1)) if get_net is None else get_net()


def _train(
    net: nn.Module,
    train: tuple[Tensor, Tensor],
    valid: tuple[Tensor, Tensor] | None,
    num_epochs: int,
    lr: float,
    weight_decay: float,
    batch_size: int,
) -> tuple[list[float], list[float]]:
    """The chapter's loop: Adam on squared differences, log-RMSE after every epoch."""
    if num_epochs < 1:
        raise ConfigError(f"num_epochs is {num_epochs}; allowed: 1 or more")
    train_ls: list[float] = []
    valid_ls: list[float] = []
    batches = load_array(train, batch_size)
    optimizer = torch.optim.Adam(net.parameters(), lr=lr, weight_decay=weight_decay)
    for _ in range(num_epochs):
        for X, y in batches:
            optimizer.zero_grad()
            torch.autograd.backward(F.mse_loss(net(X), y))
            optimizer.step()
        train_ls.append(log_rmse(net, *train))
        if valid is not None:
            valid_ls.append(log_rmse(net, *valid))
    return train_ls, valid_ls


def _plot(epochs: int, lines: list[list[float]], name: str, legend: list[str] | None) -> None:
    xlim = [1, epochs] if epochs > 1 else None  # one epoch alone has no width
    plot(numpy.arange(1, epochs + 1), lines, "epoch", name, legend, xlim, yscale="log")

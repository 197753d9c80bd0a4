"""fit_linear: the linear network in closed form, beside gradient descent."""

from __future__ import annotations

import numpy as np
import torch

from convnets.checkpoints.table_model import TableModel
from convnets.errors import ConfigError
from convnets.models.book.linear import LinearRegression
from convnets.models.catalogue import create_model
from convnets.tables.table_encoder import TableEncoder
from convnets.tables.table_set import TableSet
from convnets.tables.target import Target

__all__ = ["fit_linear"]


def fit_linear(
    table: TableSet, *, l2_penalty: float = 0.0, logarithm: bool = False, encoder: TableEncoder | None = None
) -> TableModel:
    """The weights of smallest mean squared error on `table`, without a step of gradient descent.

    With rows X (N×D, a column of ones for the bias) and standardized targets Y (N×K) they solve
    (XᵀX + N K λ/2 · I′) w = XᵀY, where I′ leaves the bias out: the minimum of the mean squared error + λ/2 · Σw²,
    which `l2_penalty` adds to the loss of a run too. Without a penalty it is least squares of smallest norm, by
    singular values in float64, so that columns that depend on each other do no harm. `logarithm` learns the logarithm
    of positive numbers.

    Raises DataError for a table that has no target, or one of classes, and ConfigError for a negative penalty.

    >>> from convnets.tables.load_table import load_table
    >>> table = load_table(np.array([[0.0, 1.0], [1.0, 3.0], [2.0, 5.0]]), target="x2")
    >>> model = fit_linear(table)
    >>> model.target.decode(model.network(torch.tensor(model.encoder(table))).detach().numpy()).round(3).tolist()
    [[1.0], [3.0], [5.0]]
    """
    if l2_penalty < 0:
        raise ConfigError(f"l2_penalty is {l2_penalty}; allowed: 0 or more")
    target = Target.fit(table, logarithm=logarithm)
    if target.classes:
        raise ConfigError(
            f"the target {target.names[0]!r} holds classes, for which there is no closed form; train softmax instead"
        )
    encoder = encoder or TableEncoder.fit(table)
    x = encoder(table).astype(np.float64)
    y = target.encode(table).astype(np.float64)
    mean = x.mean(0)
    centered, moved = x - mean, y - y.mean(0)
    if l2_penalty:
        gram = centered.T @ centered / len(x) + l2_penalty / 2 * len(target.names) * np.eye(x.shape[1])
        weights = np.linalg.solve(gram, centered.T @ moved / len(x))
    else:
        weights = np.linalg.lstsq(centered, moved, rcond=None)[0]
    network = create_model("linear", in_channels=x.shape[1], num_classes=target.outputs, input_size=1)
    assert isinstance(network, LinearRegression)
    with torch.no_grad():
        network.classifier.weight.copy_(torch.from_numpy(weights.T))
        network.classifier.bias.copy_(torch.from_numpy(y.mean(0) - mean @ weights))
    return TableModel(network.eval(), encoder, target)

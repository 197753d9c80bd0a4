"""The closed form against normal equations in float64, and gradient descent against the closed form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression, Ridge

from convnets.errors import ConfigError
from convnets.tables.load_table import load_table
from convnets.tables.table_set import TableSet
from convnets.training.config import TrainConfig
from convnets.training.tables.fit_linear import fit_linear
from convnets.training.train import train


def diabetes() -> TableSet:
    return load_table(load_diabetes(as_frame=True).frame, "target")


def test_it_is_least_squares() -> None:
    table = diabetes()
    model = fit_linear(table)
    x = model.encoder(table).astype(np.float64)
    y = table.targets[0].values
    theirs = LinearRegression().fit(x, y).predict(x)
    ours = model.target.decode(model.network(torch.from_numpy(model.encoder(table))).detach().numpy())[:, 0]
    assert np.allclose(ours, theirs, rtol=1e-5)


def test_a_penalty_is_ridge_and_that_of_a_run() -> None:
    table, penalty = diabetes(), 0.2
    model = fit_linear(table, l2_penalty=penalty)
    x, y = model.encoder(table).astype(np.float64), model.target.encode(table).astype(np.float64)
    theirs = Ridge(alpha=len(x) * penalty / 2).fit(x, y)
    assert np.allclose(
        model.network.get_parameter("classifier.weight").detach(), theirs.coef_, rtol=1e-4, atol=1e-6
    )
    weight = torch.from_numpy(np.ravel(theirs.coef_)).requires_grad_()
    loss = ((torch.from_numpy(x) @ weight - torch.from_numpy(y[:, 0])) ** 2).mean()
    (gradient,) = torch.autograd.grad(loss + penalty / 2 * (weight**2).sum(), weight)
    assert float(gradient.abs().max()) < 1e-8


def test_columns_that_depend_on_each_other_do_no_harm() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=50)
    table = load_table(np.column_stack([a, 2 * a, np.ones(50), 3 * a + 1]), "x4")
    model = fit_linear(table)
    answers = model.network(torch.from_numpy(model.encoder(table))).detach().numpy()
    assert np.allclose(model.target.decode(answers)[:, 0], 3 * a + 1, atol=1e-5)


def test_gradient_descent_arrives_at_the_closed_form(tmp_path: Path) -> None:
    table = diabetes()
    config = TrainConfig(
        epochs=60, batch_size=442, optimizer="sgd", learning_rate=0.1, weight_decay=0.0, schedule="constant",
        validation=0.0,
    )  # fmt: skip
    closed = fit_linear(table, l2_penalty=0.5)
    run = train(
        "linear", table, TrainConfig(**{**config.to_dict(), "l2_penalty": 0.5}), output=tmp_path, listeners=()
    )
    from convnets.checkpoints.table_model import load_table_model

    found = load_table_model(run.model_folder)
    weight, expected = (each.network.get_parameter("classifier.weight").detach() for each in (found, closed))
    assert float((weight - expected).norm() / expected.norm()) < 0.01


def test_the_logarithm_of_prices() -> None:
    x = np.linspace(0, 3, 40)
    model = fit_linear(load_table(np.column_stack([x, np.exp(1 + 2 * x)]), "x2"), logarithm=True)
    new = load_table(np.array([[1.5], [2.5]]))
    answers = model.network(torch.from_numpy(model.encoder(new))).detach().numpy()
    assert np.allclose(model.target.decode(answers)[:, 0], np.exp([4.0, 6.0]), rtol=1e-4)


def test_classes_and_negative_penalties_are_refused() -> None:
    with pytest.raises(ConfigError, match="holds classes, for which there is no closed form"):
        fit_linear(load_table(np.column_stack([np.arange(9.0), np.arange(9) % 3]), "x2", categorical=["x2"]))
    with pytest.raises(ConfigError, match="l2_penalty is -1; allowed: 0 or more"):
        fit_linear(diabetes(), l2_penalty=-1)

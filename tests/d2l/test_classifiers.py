"""Softmax regression of the later editions."""

from __future__ import annotations

import torch
from torch import nn

from convnets import d2l


def test_softmax_regression_learns_and_is_one_linear_layer() -> None:
    model = d2l.SoftmaxRegression(num_outputs=10, lr=0.3)
    assert model.hparams == {"num_outputs": 10, "lr": 0.3}
    d2l.Trainer(max_epochs=3).fit(model, d2l.FashionMNIST(batch_size=50))
    assert model.board.data["val_acc"][-1].y > 0.85
    assert isinstance(model.net[1], nn.Linear)
    X = torch.rand(2, 1, 28, 28)
    assert torch.allclose(model(X), X.flatten(1) @ model.net[1].weight.T + model.net[1].bias, atol=1e-5)

"""Module and Trainer in the hands of readers: optimizers of their own, and none."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convnets import d2l
from convnets.errors import ConfigError


class OwnSGD(d2l.HyperParameters):
    """As the chapter on linear regression writes it: in place, and without `no_grad` of its own."""

    def __init__(self, params: Any, lr: float) -> None:
        self.save_hyperparameters()
        self.params, self.lr = list(params), lr

    def step(self) -> None:
        for p in self.params:
            p -= self.lr * p.grad

    def zero_grad(self) -> None:
        for p in self.params:
            p.grad = None


class Line(d2l.Module):
    def __init__(self, lr: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Linear(2, 1)

    def loss(self, y_hat: Tensor, y: Tensor) -> Tensor:
        return ((y_hat - y) ** 2).mean()


class OwnLine(Line):
    def configure_optimizers(self) -> Any:
        return OwnSGD(self.parameters(), self.lr)


def data() -> d2l.SyntheticRegressionData:
    torch.manual_seed(3)
    return d2l.SyntheticRegressionData(w=torch.tensor([2, -3.4]), b=4.2, num_train=64, num_val=32)


@pytest.mark.parametrize("clip", [0, 0.5])
def test_an_optimizer_of_ones_own_trains_as_pytorchs_default_does(clip: float) -> None:
    weights = []
    for kind in (OwnLine, Line):
        torch.manual_seed(4)
        model = kind(lr=0.05)
        assert kind is OwnLine or isinstance(model.configure_optimizers(), torch.optim.SGD)
        d2l.Trainer(max_epochs=2, gradient_clip_val=clip).fit(model, data())
        weights.append(model.net.weight.detach().clone())
    assert torch.equal(*weights)
    assert not torch.allclose(weights[0], torch.zeros(2), atol=0.1)


def test_a_module_without_a_rate_says_so() -> None:
    class Mine(d2l.Module):
        pass

    with pytest.raises(
        ConfigError, match=r"Mine has no lr; set self.lr, .* or write configure_optimizers\(\)"
    ):
        Mine().configure_optimizers()


def test_board_and_epoch_after_training() -> None:
    model, trainer = Line(lr=0.1), d2l.Trainer(max_epochs=3)
    trainer.fit(model, data())
    assert model.board.data["val_loss"][-1].y < model.board.data["val_loss"][0].y
    assert [point.x for point in model.board.data["val_loss"]] == [1, 2, 3]
    assert (trainer.epoch, trainer.train_batch_idx, trainer.val_batch_idx) == (2, 6, 3)
    assert trainer.hparams == {"max_epochs": 3, "num_gpus": 0, "gradient_clip_val": 0}


def test_one_name_to_be_ignored_is_one_name() -> None:
    class Mine(d2l.HyperParameters):
        def __init__(self, a: int, parts: int) -> None:
            self.save_hyperparameters(ignore="parts")

    assert Mine(1, 2).hparams == {"a": 1}

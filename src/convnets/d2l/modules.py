"""The later editions' Module and Trainer: a network with its loss and optimizer, and the loop around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convnets.d2l.data.data_modules import DataModule
from convnets.d2l.devices import gpu, num_gpus
from convnets.d2l.hyper_parameters import HyperParameters
from convnets.d2l.live_curves import ProgressBoard
from convnets.d2l.measures import some
from convnets.errors import ConfigError, InputError

__all__ = ["Module", "Trainer"]


class Module(nn.Module, HyperParameters):
    """A network with its loss and its optimizer: what a Trainer trains."""

    plot_train_per_epoch: int
    plot_valid_per_epoch: int
    lr: float

    def __init__(
        self,
        plot_train_per_epoch: int = 2,  # noqa: ARG002  kept by save_hyperparameters
        plot_valid_per_epoch: int = 1,  # noqa: ARG002
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.board = ProgressBoard()

    def loss(self, y_hat: Any, y: Any) -> Tensor:
        """To be given by the subclass."""
        raise NotImplementedError

    def forward(self, *X: Any) -> Any:
        """What `self.net` computes."""
        assert hasattr(self, "net"), "Neural network is defined"
        net: Any = self.net
        return net(*X)

    def plot(self, key: str, value: Tensor, train: bool) -> None:
        """Add a point to the board: by the place within the epoch in training, at its end in validation."""
        trainer: Any = getattr(self, "trainer", None)
        assert trainer is not None, "Trainer is not inited"
        self.board.xlabel = "epoch"
        if train:
            x = trainer.train_batch_idx / trainer.num_train_batches
            n = trainer.num_train_batches / self.plot_train_per_epoch
        else:
            x = trainer.epoch + 1
            n = trainer.num_val_batches / self.plot_valid_per_epoch
        self.board.draw(
            x, value.detach().cpu(), ("train_" if train else "val_") + key, every_n=max(1, int(n))
        )

    def training_step(self, batch: Sequence[Any]) -> Tensor:
        """The loss of a batch."""
        value = self.loss(self(*batch[:-1]), batch[-1])
        self.plot("loss", value, train=True)
        return value

    def validation_step(self, batch: Sequence[Any]) -> None:
        """The loss of a batch that is not learned from."""
        self.plot("loss", self.loss(self(*batch[:-1]), batch[-1]), train=False)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain SGD at `self.lr`; raises ConfigError where there is none."""
        if not hasattr(self, "lr"):
            raise ConfigError(
                f"{type(self).__name__} has no lr; set self.lr, such as by save_hyperparameters(), or write "
                "configure_optimizers() of your own"
            )
        return torch.optim.SGD(self.parameters(), lr=self.lr)

    def apply_init(self, inputs: Sequence[Any], init: Callable[[nn.Module], None] | None = None) -> None:
        """Run once, so that lazy layers know their shapes, then initialize every layer by `init`."""
        self.forward(*inputs)
        if init is not None:
            net: Any = self.net
            net.apply(init)


class Trainer(HyperParameters):
    """The loop around a Module and a DataModule."""

    def __init__(self, max_epochs: int, num_gpus: int = 0, gradient_clip_val: float = 0) -> None:
        self.save_hyperparameters()
        self.max_epochs, self.gradient_clip_val = max_epochs, gradient_clip_val
        self.gpus = [gpu(i) for i in range(min(num_gpus, _gpus()))]

    def prepare_data(self, data: DataModule) -> None:
        """Take the batches of `data`."""
        self.train_dataloader: Any = data.train_dataloader()
        self.val_dataloader: Any = data.val_dataloader()
        self.num_train_batches = _length(self.train_dataloader, "train_dataloader()")
        self.num_val_batches = (
            0 if self.val_dataloader is None else _length(self.val_dataloader, "val_dataloader()")
        )

    def prepare_model(self, model: Any) -> None:
        """Take `model`, on the graphics card where one was asked for and is there."""
        model.trainer = self
        model.board.xlim = [0, self.max_epochs]
        if self.gpus:
            model.to(self.gpus[0])
        self.model = model

    def prepare_batch(self, batch: Sequence[Any]) -> Sequence[Any]:
        """The batch where the model is."""
        return [part.to(self.gpus[0]) for part in batch] if self.gpus else batch

    def fit(self, model: Any, data: DataModule) -> None:
        """Train `model` on `data` for `max_epochs` epochs."""
        self.prepare_data(data)
        self.prepare_model(model)
        self.optim = model.configure_optimizers()
        self.epoch, self.train_batch_idx, self.val_batch_idx = 0, 0, 0
        for epoch in range(self.max_epochs):
            self.epoch = epoch  # afterwards it is that of the last epoch, as in the book
            self.fit_epoch()
        model.board.show()

    def fit_epoch(self) -> None:
        """One pass over the batches to learn from and one over those to be judged by."""
        self.model.train()
        for batch in some(self.train_dataloader, "train_dataloader()"):
            loss = self.model.training_step(self.prepare_batch(batch))
            self.optim.zero_grad()
            with torch.no_grad():  # so that an optimizer of one's own may change parameters in place
                loss.backward()
                if self.gradient_clip_val > 0:
                    self.clip_gradients(self.gradient_clip_val, self.model)
                self.optim.step()
            self.train_batch_idx += 1
        if self.val_dataloader is None:
            return
        self.model.eval()
        for batch in self.val_dataloader:
            with torch.no_grad():
                self.model.validation_step(self.prepare_batch(batch))
            self.val_batch_idx += 1

    def clip_gradients(self, grad_clip_val: float, model: nn.Module) -> None:
        """Scale gradients back to at most this Euclidean norm over all parameters."""
        nn.utils.clip_grad_norm_(model.parameters(), grad_clip_val)


def _length(batches: Any, name: str) -> int:
    try:
        return len(batches)
    except TypeError:
        raise InputError(
            f"{name} gives a {type(batches).__name__}, which has no length and is used up by one pass; "
            "allowed: a list or a DataLoader, such as self.get_tensorloader(tensors, train)"
        ) from None


def _gpus() -> int:
    return num_gpus()

"""The later editions' classes: Module, DataModule, Trainer and what goes with them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from convnets.d2l.devices import gpu, num_gpus
from convnets.d2l.figures import ProgressBoard, show_images
from convnets.d2l.loaders import ImageLoader, get_fashion_mnist_labels
from convnets.d2l.measures import some
from convnets.data.sources import load_data
from convnets.errors import InputError

__all__ = [
    "Classifier",
    "DataModule",
    "FashionMNIST",
    "HyperParameters",
    "LeNet",
    "Module",
    "Trainer",
    "add_to_class",
]


def add_to_class(Class: type) -> Callable[[Callable[..., Any]], None]:
    """A decorator that makes a function a method of a class that exists already."""

    def wrapper(function: Callable[..., Any]) -> None:
        setattr(Class, function.__name__, function)

    return wrapper


class HyperParameters:
    """Keeps the arguments of `__init__` as attributes."""

    def save_hyperparameters(self, ignore: Sequence[str] = ()) -> None:
        """To be called in `__init__`: each argument becomes an attribute, but for those in `ignore`."""
        frame = inspect.currentframe()
        assert frame is not None
        assert frame.f_back is not None
        _, _, _, values = inspect.getargvalues(frame.f_back)
        left_out = {*ignore, "self", "__class__"}
        self.hparams = {
            name: value for name, value in values.items() if name not in left_out and not name.startswith("_")
        }
        for name, value in self.hparams.items():
            setattr(self, name, value)


class Module(nn.Module, HyperParameters):
    """A network with its loss and its optimiser: what a Trainer trains."""

    plot_train_per_epoch: int
    plot_valid_per_epoch: int

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
        """To be given by the subclass."""
        raise NotImplementedError

    def apply_init(self, inputs: Sequence[Any], init: Callable[[nn.Module], None] | None = None) -> None:
        """Run once, so that lazy layers know their shapes, then initialise every layer by `init`."""
        self.forward(*inputs)
        if init is not None:
            net: Any = self.net
            net.apply(init)


class DataModule(HyperParameters):
    """Where batches come from."""

    def __init__(
        self,
        root: str = "../data",  # noqa: ARG002  kept by save_hyperparameters; our images lie elsewhere
        num_workers: int = 4,  # noqa: ARG002
    ) -> None:
        self.save_hyperparameters()

    def get_dataloader(self, train: bool) -> Iterable[Any]:
        """To be given by the subclass."""
        raise NotImplementedError

    def train_dataloader(self) -> Iterable[Any]:
        """Batches to learn from."""
        return self.get_dataloader(train=True)

    def val_dataloader(self) -> Iterable[Any]:
        """Batches to be judged by."""
        return self.get_dataloader(train=False)

    def get_tensorloader(
        self, tensors: Sequence[Tensor], train: bool, indices: slice = slice(0, None)
    ) -> DataLoader[tuple[Tensor, ...]]:
        """Tensors of one length as batches of `self.batch_size`."""
        dataset = TensorDataset(*(tensor[indices] for tensor in tensors))
        return DataLoader(dataset, getattr(self, "batch_size"), shuffle=train)  # noqa: B009  the subclass's


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
        while self.epoch < self.max_epochs:
            self.fit_epoch()
            self.epoch += 1
        model.board.show()

    def fit_epoch(self) -> None:
        """One pass over the batches to learn from and one over those to be judged by."""
        self.model.train()
        for batch in some(self.train_dataloader, "train_dataloader()"):
            loss = self.model.training_step(self.prepare_batch(batch))
            self.optim.zero_grad()
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


class Classifier(Module):
    """A Module that names classes: cross-entropy and accuracy."""

    lr: float

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

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain SGD at `self.lr`."""
        return torch.optim.SGD(self.parameters(), lr=self.lr)

    def layer_summary(self, X_shape: Sequence[int]) -> None:
        """Print the output shape of each part of `self.net`, for an input of `X_shape`."""
        X = torch.randn(*X_shape)
        net: Any = self.net
        for layer in net:
            X = layer(X)
            print(layer.__class__.__name__, "output shape:\t", X.shape)  # noqa: T201  the book's listings print


class FashionMNIST(DataModule):
    """Fashion-MNIST, resized where `resize` says so."""

    def __init__(self, batch_size: int = 64, resize: tuple[int, int] = (28, 28)) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.batch_size, self.resize = batch_size, resize
        splits = load_data("fashion-mnist")
        assert splits.test is not None
        self.train, self.val = splits.train, splits.test

    def text_labels(self, indices: Sequence[Any] | Tensor) -> list[str]:
        """Names of classes."""
        return get_fashion_mnist_labels(indices)

    def get_dataloader(self, train: bool) -> ImageLoader:
        """Training batches, shuffled, or those of the test set."""
        return ImageLoader(
            self.train if train else self.val, self.batch_size, shuffle=train, resize=self.resize
        )

    def visualize(
        self, batch: Sequence[Any], nrows: int = 1, ncols: int = 8, labels: Sequence[str] = ()
    ) -> None:
        """Show the first pictures of a batch with their names."""
        X, y = batch
        show_images(X.squeeze(1), nrows, ncols, titles=list(labels) or self.text_labels(y))


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

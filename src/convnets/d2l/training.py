"""The book's training functions, on convnets' own training step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence, Sized
from typing import Any

import torch
from torch import Tensor, nn

from convnets.acceleration.obstacles import find_obstacle
from convnets.core.hardware import choose_hardware
from convnets.d2l.blocks import init_cnn
from convnets.d2l.data.loaders import get_fashion_mnist_labels
from convnets.d2l.devices import Devices, device_list, try_all_gpus
from convnets.d2l.figures import show_images
from convnets.d2l.live_curves import Animator
from convnets.d2l.measures import (
    Accumulator,
    Timer,
    accuracy,
    evaluate_accuracy,
    evaluate_accuracy_gpu,
    hits,
    some,
)
from convnets.data.batches import Batch
from convnets.errors import ConfigError
from convnets.training.config import TrainConfig
from convnets.training.learner import Learner
from convnets.training.preparation.network_check import check_network

__all__ = [
    "predict_ch3",
    "train_batch_ch13",
    "train_ch3",
    "train_ch6",
    "train_ch13",
    "train_epoch_ch3",
]

_POINTS_PER_EPOCH = 5


def _epochs(count: int) -> list[int] | None:
    """The axis of `count` epochs; one alone has no width."""
    if count < 1:
        raise ConfigError(f"num_epochs is {count}; allowed: 1 or more")
    return [1, count] if count > 1 else None


def train_epoch_ch3(
    net: Callable[[Any], Tensor],
    train_iter: Iterable[Any],
    loss: Callable[[Tensor, Tensor], Tensor],
    updater: Any,
) -> tuple[float, float]:
    """One pass; `updater` is an optimizer of PyTorch or a function of the batch's size. Returns mean loss, accuracy."""
    if isinstance(net, nn.Module):
        net.train()
    metric = Accumulator(3)
    for X, y in some(train_iter, "train_iter"):
        y_hat = net(X)
        value = loss(y_hat, y)
        if isinstance(updater, torch.optim.Optimizer):
            updater.zero_grad()
            torch.autograd.backward(value.mean())
            updater.step()
        else:
            torch.autograd.backward(value.sum())
            updater(X.shape[0])
        examples = y.numel()
        total = value.detach().sum() if value.numel() > 1 else value.detach() * examples
        metric.add(total, accuracy(y_hat.detach(), y), examples)
    return metric[0] / max(1.0, metric[2]), metric[1] / max(1.0, metric[2])


def train_ch3(
    net: Callable[[Any], Tensor],
    train_iter: Iterable[Any],
    test_iter: Iterable[Any],
    loss: Callable[[Tensor, Tensor], Tensor],
    num_epochs: int,
    updater: Any,
) -> None:
    """Train a network that may be any function, and draw loss and accuracies over the epochs."""
    animator = Animator(
        xlabel="epoch",
        xlim=_epochs(num_epochs),
        ylim=[0.3, 0.9],
        legend=["train loss", "train acc", "test acc"],
    )
    for epoch in range(num_epochs):
        figures = train_epoch_ch3(net, train_iter, loss, updater)
        animator.add(epoch + 1, (*figures, evaluate_accuracy(net, test_iter)))
    animator.show()


def predict_ch3(net: Callable[[Any], Tensor], test_iter: Iterable[Any], n: int = 6) -> None:
    """Show the first `n` pictures of `test_iter` with their true and their predicted names."""
    X, y = next(iter(test_iter))
    with torch.no_grad():
        predicted = net(X).argmax(dim=1)
    names = zip(get_fashion_mnist_labels(y), get_fashion_mnist_labels(predicted), strict=True)
    titles = [f"{true}\n{guess}" for true, guess in itertools.islice(names, n)]
    show_images(X[:n].reshape((-1, *X.shape[2:])), 1, min(n, len(X)), titles=titles)


def train_ch6(
    net: nn.Module,
    train_iter: Iterable[Any],
    test_iter: Iterable[Any],
    num_epochs: int,
    lr: float,
    device: torch.device | str,
) -> None:
    """Train a convolutional network by plain SGD from Xavier's weights; print and draw how it goes.

    The speed is that of the training steps, without waiting for data and without evaluation, as in the book.
    """
    limits = _epochs(num_epochs)
    print("training on", device)  # noqa: T201  the book's listings print
    learner = _learner(net, train_iter, num_epochs, lr, torch.device(device))
    animator = Animator(xlabel="epoch", xlim=limits, legend=["train loss", "train acc", "test acc"])
    timer, seen, test_acc = Timer(), 0, 0.0
    batches = len(train_iter) if isinstance(train_iter, Sized) else 0
    every = max(1, batches // _POINTS_PER_EPOCH)
    with learner.laid_out():
        for epoch in range(num_epochs):
            learner.start_epoch()
            for i, (X, y) in enumerate(some(train_iter, "train_iter")):
                timer.start()
                _step(learner, X, y, epoch, i)
                timer.stop()
                if batches and ((i + 1) % every == 0 or i + 1 == batches):
                    animator.add(epoch + (i + 1) / batches, (learner.loss, learner.accuracy, None))
            seen += learner.seen
            _wait(timer, lambda: learner.loss)
            test_acc = evaluate_accuracy_gpu(_answering(learner), test_iter, learner.hardware.device)
            animator.add(epoch + 1, (None, None, test_acc))
    animator.show()
    print(f"loss {learner.loss:.3f}, train acc {learner.accuracy:.3f}, test acc {test_acc:.3f}")  # noqa: T201
    print(f"{seen / max(timer.sum(), 1e-9):.1f} examples/sec on {device}")  # noqa: T201


def _learner(
    net: nn.Module, train_iter: Iterable[Any], epochs: int, lr: float, device: torch.device
) -> Learner:
    """Xavier's weights and plain SGD at a constant rate. Lazy layers get their shapes from a first batch.

    A network with code of its own is run once before, so that one that bf16 does not suit is trained in float32.
    """
    net.to(device)
    hardware = choose_hardware(str(device))
    lazy = any(isinstance(p, nn.parameter.UninitializedParameter) for p in net.parameters())
    again = isinstance(train_iter, Sized)  # an iterator would lose the batch that is looked at
    if lazy or (again and hardware.precision == "bf16" and find_obstacle(net) is not None):
        X, _ = next(some(train_iter, "train_iter"))
        if lazy:
            with torch.no_grad():
                net.eval()(X[:2].to(device))
        if X.ndim == 4:
            checked = check_network(net, (X.shape[1], X.shape[2], X.shape[3]), None, hardware)
            hardware = checked.hardware
            for notice in checked.notices:
                print(notice)  # noqa: T201  the book's listings print
    net.apply(init_cnn)
    config = TrainConfig(
        epochs=max(1, epochs),
        optimizer="sgd",
        learning_rate=lr,
        momentum=0.0,
        weight_decay=0.0,
        schedule="constant",
        seed=int(torch.randint(2**62, ())),
    )
    return Learner(net, config, hardware)


def _answering(learner: Learner) -> Callable[[Tensor], Tensor]:
    """The network for evaluation, by the kernels that it trains through; it is left in that mode, as in the book."""
    learner.network.eval()
    return lambda X: learner.answer(X.to(learner.hardware.device))


def _step(learner: Learner, X: Tensor, y: Tensor, epoch: int, step: int) -> None:
    device = learner.hardware.device
    batch = Batch(X.to(device), y.to(device), torch.arange(len(y)))
    # the step seeds PyTorch's generator; the reader's order stays his own
    with torch.random.fork_rng(devices=[]):
        learner.step(batch, epoch, step, 0.0)


def train_batch_ch13(
    net: nn.Module,
    X: Any,
    y: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor],
    trainer: torch.optim.Optimizer,
    devices: Devices,
) -> tuple[Tensor, float]:
    """One step on the first of `devices`; returns the summed loss and how many predictions are right."""
    total, right = _step_ch13(net, X, y, loss, trainer, device_list(devices)[0])
    return total, float(right)


def _step_ch13(
    net: nn.Module,
    X: Any,
    y: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor],
    trainer: torch.optim.Optimizer,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """The summed loss and the number of right predictions, which are not waited for."""
    X = [x.to(device) for x in X] if isinstance(X, list) else X.to(device)
    y = y.to(device)
    net.train()
    trainer.zero_grad()
    predicted = net(X)
    value = loss(predicted, y)
    torch.autograd.backward(value.sum())
    trainer.step()
    return value.detach().sum(), hits(predicted.detach(), y)


def train_ch13(
    net: nn.Module,
    train_iter: Iterable[Any],
    test_iter: Iterable[Any],
    loss: Callable[[Tensor, Tensor], Tensor],
    trainer: torch.optim.Optimizer,
    num_epochs: int,
    devices: Devices | None = None,
) -> None:
    """Train with any loss (one number per example) and optimizer, on `devices` (one or several).

    None: all graphics cards, or the processor.
    """
    devices = device_list(devices or try_all_gpus())
    net = net.to(devices[0])
    parallel = nn.DataParallel(net, device_ids=devices) if len(devices) > 1 else net
    timer, test_acc, seen = Timer(), 0.0, 0
    sums, counts = torch.zeros(2, device=devices[0]), [0, 0]  # loss and hits; examples and labels
    batches = len(train_iter) if isinstance(train_iter, Sized) else 0
    every = max(1, batches // _POINTS_PER_EPOCH)
    animator = Animator(
        xlabel="epoch", xlim=_epochs(num_epochs), ylim=[0, 1], legend=["train loss", "train acc", "test acc"]
    )
    for epoch in range(num_epochs):
        sums, counts = torch.zeros_like(sums), [0, 0]
        for i, (features, labels) in enumerate(some(train_iter, "train_iter")):
            timer.start()
            found = _step_ch13(parallel, features, labels, loss, trainer, devices[0])
            sums += torch.stack([each.to(sums.dtype) for each in found])
            counts = [counts[0] + labels.shape[0], counts[1] + labels.numel()]
            timer.stop()
            if batches and ((i + 1) % every == 0 or i + 1 == batches):
                animator.add(epoch + (i + 1) / batches, (*_means(sums, counts), None))
        _wait(timer, sums.tolist)
        seen += counts[0]
        test_acc = evaluate_accuracy_gpu(net, test_iter)
        animator.add(epoch + 1, (None, None, test_acc))
    animator.show()
    train_loss, train_acc = _means(sums, counts)
    print(  # noqa: T201  the book's listings print
        f"loss {train_loss:.3f}, train acc {train_acc:.3f}, test acc {test_acc:.3f}"
    )
    speed = seen / max(timer.sum(), 1e-9)
    print(f"{speed:.1f} examples/sec on {[str(device) for device in devices]}")  # noqa: T201


def _means(sums: Tensor, counts: Sequence[int]) -> tuple[float, float]:
    loss, right = sums.tolist()
    return loss / max(1, counts[0]), right / max(1, counts[1])


def _wait(timer: Timer, figure: Callable[[], object]) -> None:
    """Read a figure that the last step made: what a graphics card has still to do belongs to the time of training."""
    timer.start()
    figure()
    timer.stop()

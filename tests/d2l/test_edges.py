"""Loaders, epochs and batches that the book's functions fail on, and loaders in the hands of other code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convnets import d2l
from convnets.errors import ConfigError, InputError

Batches = list[tuple[Tensor, Tensor]]


def network() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 3))


def batches_of(*sizes: int) -> Batches:
    torch.manual_seed(0)
    return [(torch.rand(size, 1, 4, 4), torch.randint(3, (size,))) for size in sizes]


def train_ch3(net: nn.Module, train_iter: Any, test_iter: Any, epochs: int) -> None:
    trainer = torch.optim.SGD(net.parameters(), lr=0.1)
    d2l.train_ch3(net, train_iter, test_iter, nn.CrossEntropyLoss(reduction="none"), epochs, trainer)


def train_ch6(net: nn.Module, train_iter: Any, test_iter: Any, epochs: int) -> None:
    d2l.train_ch6(net, train_iter, test_iter, epochs, 0.1, d2l.cpu())


def train_ch13(net: nn.Module, train_iter: Any, test_iter: Any, epochs: int) -> None:
    trainer = torch.optim.SGD(net.parameters(), lr=0.1)
    loss = nn.CrossEntropyLoss(reduction="none")
    d2l.train_ch13(net, train_iter, test_iter, loss, trainer, epochs, [d2l.cpu()])


def trainer(net: nn.Module, train_iter: Any, test_iter: Any, epochs: int) -> None:
    class Data(d2l.DataModule):
        def get_dataloader(self, train: bool) -> Any:
            return train_iter if train else test_iter

    class Mine(d2l.Classifier):
        def __init__(self, lr: float) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.net = net

    d2l.Trainer(max_epochs=epochs).fit(Mine(lr=0.1), Data())


Train = Callable[[nn.Module, Any, Any, int], None]
ALL = [train_ch3, train_ch6, train_ch13, trainer]


@pytest.mark.parametrize("train", ALL)
@pytest.mark.parametrize("sizes", [(1,), (5,), (5, 5, 5), (5, 5, 5, 5, 5, 2)])
@pytest.mark.parametrize("epochs", [1, 2])
def test_few_small_and_uneven_batches_train(train: Train, sizes: tuple[int, ...], epochs: int) -> None:
    net = network()
    before = net[1].weight.detach().clone()
    train(net, batches_of(*sizes), batches_of(4), epochs)
    assert not torch.equal(before, net[1].weight)
    assert torch.isfinite(net[1].weight).all()


@pytest.mark.parametrize("sizes", [(1,), (5, 5, 5), (5, 5, 5, 5, 5, 5, 2)])
def test_losses_and_accuracies_weigh_every_image_alike(
    sizes: tuple[int, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """At a rate of nothing, what is printed is the mean over all images, whatever batches they come in."""
    net, found = network(), batches_of(*sizes)
    X, y = torch.cat([X for X, _ in found]), torch.cat([y for _, y in found])
    logits = net(X).detach()
    loss = float(nn.functional.cross_entropy(logits.double(), y))
    share = float((logits.argmax(1) == y).double().mean())
    updater = torch.optim.SGD(net.parameters(), lr=0.0)
    per_image = nn.CrossEntropyLoss(reduction="none")
    assert d2l.train_epoch_ch3(net, found, per_image, updater) == pytest.approx((loss, share), abs=1e-6)
    d2l.train_ch13(net, found, found, per_image, updater, 2, [d2l.cpu()])
    printed = capsys.readouterr().out.splitlines()[0]
    assert printed == f"loss {loss:.3f}, train acc {share:.3f}, test acc {share:.3f}"
    assert d2l.evaluate_accuracy(net, found) == pytest.approx(share)
    assert d2l.evaluate_loss(net, found, per_image) == pytest.approx(loss, abs=1e-6)


@pytest.mark.parametrize("train", ALL)
def test_a_loader_without_batches_is_named(train: Train) -> None:
    with pytest.raises(
        InputError, match=r"train_(iter|dataloader\(\)) yields no batch; allowed: one or more"
    ):
        train(network(), [], batches_of(4), 1)


@pytest.mark.parametrize("train", [train_ch3, train_ch6, train_ch13])
def test_an_iterator_that_is_used_up_is_named(train: Train) -> None:
    with pytest.raises(InputError, match="a generator is used up by one pass"):
        train(network(), (batch for batch in batches_of(4, 4)), batches_of(4), 2)
    with pytest.raises(InputError, match="data_iter yields no batch"):
        train(network(), batches_of(4), [], 1)


def test_a_generator_as_dataloader_is_named() -> None:
    with pytest.raises(InputError, match=r"train_dataloader\(\) gives a generator, which has no length"):
        trainer(network(), (batch for batch in batches_of(4)), batches_of(4), 1)


@pytest.mark.parametrize("train", [train_ch3, train_ch6, train_ch13])
def test_no_epochs_are_refused(train: Train) -> None:
    with pytest.raises(ConfigError, match="num_epochs is 0; allowed: 1 or more"):
        train(network(), batches_of(4), batches_of(4), 0)


def test_a_loader_without_length_trains(capsys: pytest.CaptureFixture[str]) -> None:
    class Stream:
        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            return iter(batches_of(4, 4))

    for train in (train_ch3, train_ch6, train_ch13):
        train(network(), Stream(), Stream(), 2)
    assert capsys.readouterr().out.count("test acc") == 2


def test_training_leaves_validation_out_where_there_is_none() -> None:
    trainer(network(), batches_of(4, 4), None, 2)


def test_the_loaders_serve_other_code() -> None:
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size=64, resize=32)
    net = nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    seen = []
    for _ in range(2):
        count = 0
        for X, y in train_iter:
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(X), y).backward()
            optimizer.step()
            count += len(y)
        seen.append(count)
    assert seen == [1000, 1000]
    assert (len(train_iter), len(test_iter)) == (16, 4)
    one, other = iter(test_iter), iter(test_iter)  # two passes at a time
    assert torch.equal(next(one)[0], next(other)[0])
    again = torch.utils.data.DataLoader(
        test_iter.dataset, batch_size=50, num_workers=d2l.get_dataloader_workers()
    )
    assert [len(y) for _, y in again] == [50] * 4
    assert 0 <= float(X.min()) <= float(X.max()) <= 1


def test_train_ch13_takes_pytorchs_loader_with_augmentation() -> None:
    """A data set of the reader's own with a transform, read by PyTorch's loader."""
    train_iter, test_iter = d2l.load_data_fashion_mnist(50)
    images = train_iter.dataset

    class Augmented(torch.utils.data.Dataset[tuple[Tensor, int]]):
        def __len__(self) -> int:
            return len(images)

        def __getitem__(self, index: int) -> tuple[Tensor, int]:
            picture, label = images[index]
            return picture.flip(2) if torch.rand(()) < 0.5 else picture, label

    assert isinstance(images[0][1], int)
    loader = torch.utils.data.DataLoader(
        Augmented(), batch_size=50, shuffle=True, num_workers=d2l.get_dataloader_workers()
    )
    net = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
    net(next(iter(test_iter))[0])
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    d2l.train_ch13(net, loader, test_iter, nn.CrossEntropyLoss(reduction="none"), optimizer, 2, [d2l.cpu()])
    assert d2l.evaluate_accuracy(net, test_iter) > 0.9


def test_losses_with_gradients_are_numbers() -> None:
    """As listings hand them over; PyTorch warns of turning them into numbers, and warnings are errors here."""
    loss = nn.functional.mse_loss(nn.Linear(2, 1)(torch.ones(3, 2)), torch.ones(3, 1))
    metric, animator, board = d2l.Accumulator(2), d2l.Animator(), d2l.ProgressBoard()
    metric.add(loss * 3, 3)
    animator.add(1, (loss, None))
    board.draw(1, loss, "loss")
    expected = loss.detach().item()
    assert (metric[0] / metric[1], animator.Y[0][0]) == pytest.approx((expected, expected))
    assert board.data["loss"] == [(1.0, pytest.approx(expected))]


def test_figures_keep_points_that_come_with_none() -> None:
    animator = d2l.Animator(legend=["a", "b"])
    animator.add(1, (None, 2))
    animator.add([2, 3], [5, 6])
    assert animator.X == [[2.0], [1.0, 3.0]]
    assert [line.get_label() for line in animator.axes[0].lines] == ["a", "b"]
    assert animator.axes[0].get_xlim()[0] <= 1
    assert animator.axes[0].get_xlim()[1] >= 3
    assert animator.fig is d2l.plt.gcf()


@pytest.mark.parametrize("devices", [d2l.cpu(), "cpu", [d2l.cpu()], ["cpu"], (d2l.cpu(),)])
def test_one_device_or_a_list_of_them(devices: Any, capsys: pytest.CaptureFixture[str]) -> None:
    net, loss = network(), nn.CrossEntropyLoss(reduction="none")
    trainer = torch.optim.SGD(net.parameters(), lr=0.1)
    d2l.train_ch13(net, batches_of(4), batches_of(4), loss, trainer, 1, devices)
    assert capsys.readouterr().out.endswith("examples/sec on ['cpu']\n")
    X, y = batches_of(4)[0]
    total, right = d2l.train_batch_ch13(net, X, y, loss, trainer, devices)
    assert torch.isfinite(total)
    assert 0 <= right <= 4

"""The names used as the book's listings use them, on a small set in Fashion-MNIST's place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor, nn

from convnets import d2l
from convnets.data.image_set import Splits


def lenet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2),
        nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Conv2d(6, 16, kernel_size=5),
        nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120),
        nn.Sigmoid(),
        nn.Linear(120, 84),
        nn.Sigmoid(),
        nn.Linear(84, 10),
    )


def test_loaders_yield_pictures_from_zero_to_one_and_can_be_used_again(few_images: Splits) -> None:
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size=256)
    assert (len(train_iter), len(test_iter)) == (4, 1)
    sizes = [len(y) for _, y in train_iter]
    assert sizes == [256, 256, 256, 232]
    X, y = next(iter(test_iter))
    assert (X.dtype, X.shape, y.dtype) == (torch.float32, (200, 1, 28, 28), torch.int64)
    assert few_images.test is not None
    assert torch.equal(X, few_images.test.pixels.float() / 255)
    first, second = (torch.cat([y for _, y in train_iter]) for _ in range(2))
    assert not torch.equal(first, second)  # shuffled anew
    assert torch.equal(first.bincount(), second.bincount())
    torch.manual_seed(5)
    one = next(iter(train_iter))[1]
    torch.manual_seed(5)
    assert torch.equal(one, next(iter(train_iter))[1])


def test_resized_pictures_are_what_pillow_makes_of_them(few_images: Splits) -> None:
    from PIL import Image

    _, test_iter = d2l.load_data_fashion_mnist(8, resize=64)
    X, _ = next(iter(test_iter))
    assert X.shape == (8, 1, 64, 64)
    assert few_images.test is not None
    picture = Image.fromarray(few_images.test.pixels[0, 0].numpy()).resize(
        (64, 64), Image.Resampling.BILINEAR
    )
    theirs = torch.from_numpy(numpy.array(picture)).float() / 255
    assert (X[0, 0] - theirs).abs().max() < 1.5 / 255


def test_workers_are_a_number_and_a_function() -> None:
    assert d2l.get_dataloader_workers() == d2l.get_dataloader_workers == 0
    images = torch.utils.data.TensorDataset(torch.rand(4, 2))
    loader = torch.utils.data.DataLoader(images, 2, num_workers=d2l.get_dataloader_workers())
    assert len(list(loader)) == 2


def test_train_ch6_learns_prints_and_draws(capsys: pytest.CaptureFixture[str]) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size=50)
    d2l.train_ch6(net, train_iter, test_iter, 3, 0.3, d2l.try_gpu())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"training on {d2l.try_gpu()}"
    words = lines[1].replace(",", "").split()
    assert words[0::3] == ["loss", "acc", "test"][:1] + words[3::3]
    assert lines[1].startswith("loss ")
    assert ", train acc " in lines[1]
    assert ", test acc " in lines[1]
    assert lines[2].endswith(f"examples/sec on {d2l.try_gpu()}")
    assert float(lines[1].rpartition(" ")[2]) > 0.9
    assert d2l.evaluate_accuracy_gpu(net, test_iter) > 0.9
    lines_drawn = d2l.plt.gcf().axes[0].lines
    assert [len(line.get_xdata()) for line in lines_drawn] == [15, 15, 3]


def test_train_ch6_is_the_books_loop() -> None:
    """Its losses against plain PyTorch in float32 from the same weights on the same batches."""
    batches = [(torch.rand(20, 1, 28, 28), torch.randint(10, (20,))) for _ in range(6)]
    torch.manual_seed(3)
    ours, theirs = lenet(), lenet()
    theirs.load_state_dict(ours.state_dict())
    torch.manual_seed(4)
    d2l.train_ch6(ours, batches, batches[:1], 2, 0.5, "cpu")
    torch.manual_seed(4)
    theirs.apply(d2l.init_cnn)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.5)
    for _ in range(2):
        for X, y in batches:
            optimizer.zero_grad()
            nn.functional.cross_entropy(theirs(X), y).backward()
            optimizer.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=0.1, atol=2e-2)  # bf16 where the processor has it


def test_train_ch6_takes_lazy_layers_few_batches_and_ones_own_loader() -> None:
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))
    pictures, labels = torch.rand(30, 1, 28, 28), torch.randint(10, (30,))
    loader = d2l.load_array((pictures, labels), 10)
    d2l.train_ch6(net, loader, loader, 1, 0.1, d2l.cpu())
    assert net[0].weight.shape == (4, 1, 3, 3)


class BatchNorm(nn.Module):
    """Batch norm by hand with moving statistics, as the chapter on it writes it."""

    def __init__(self, num_features: int, num_dims: int) -> None:
        super().__init__()
        shape = (1, num_features) if num_dims == 2 else (1, num_features, 1, 1)
        self.gamma, self.beta = nn.Parameter(torch.ones(shape)), nn.Parameter(torch.zeros(shape))
        self.moving_mean, self.moving_var = torch.zeros(shape), torch.ones(shape)

    def forward(self, X: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return self.gamma * (X - self.moving_mean) / torch.sqrt(self.moving_var + 1e-5) + self.beta
        dims = (0,) if X.ndim == 2 else (0, 2, 3)
        mean = X.mean(dim=dims, keepdim=True)
        var = ((X - mean) ** 2).mean(dim=dims, keepdim=True)
        self.moving_mean = 0.9 * self.moving_mean + 0.1 * mean.detach()
        self.moving_var = 0.9 * self.moving_var + 0.1 * var.detach()
        return self.gamma * (X - mean) / torch.sqrt(var + 1e-5) + self.beta


def test_a_network_with_batch_norm_by_hand_trains() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5),
        BatchNorm(6, num_dims=4),
        nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=4, stride=4),
        nn.Flatten(),
        nn.Linear(6 * 36, 84),
        BatchNorm(84, num_dims=2),
        nn.Sigmoid(),
        nn.Linear(84, 10),
    )
    train_iter, test_iter = d2l.load_data_fashion_mnist(50)
    d2l.train_ch6(net, train_iter, test_iter, 4, 1.0, d2l.try_gpu())
    assert d2l.evaluate_accuracy_gpu(net, test_iter) > 0.8
    assert net[1].moving_mean.abs().sum() > 0


def test_softmax_regression_from_scratch_by_train_ch3() -> None:
    W = torch.normal(0, 0.01, size=(784, 10), requires_grad=True)
    b = torch.zeros(10, requires_grad=True)

    def net(X: Tensor) -> Tensor:
        exps = torch.exp(torch.matmul(X.reshape((-1, 784)), W) + b)
        return exps / exps.sum(1, keepdim=True)

    def cross_entropy(y_hat: Tensor, y: Tensor) -> Tensor:
        return -torch.log(y_hat[range(len(y_hat)), y])

    def updater(batch_size: int) -> None:
        return d2l.sgd([W, b], 0.3, batch_size)

    train_iter, test_iter = d2l.load_data_fashion_mnist(50)
    before = d2l.evaluate_accuracy(net, test_iter)
    d2l.train_ch3(net, train_iter, test_iter, cross_entropy, 3, updater)
    assert d2l.evaluate_accuracy(net, test_iter) > max(0.8, before)
    d2l.predict_ch3(net, test_iter)
    assert len(d2l.plt.gcf().axes) == 6


def test_train_epoch_ch3_takes_an_optimizer_and_every_kind_of_loss() -> None:
    train_iter, _ = d2l.load_data_fashion_mnist(100)
    for reduction in ("mean", "none"):
        torch.manual_seed(1)
        net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
        trainer = torch.optim.SGD(net.parameters(), lr=0.1)
        loss, accuracy = d2l.train_epoch_ch3(
            net, train_iter, nn.CrossEntropyLoss(reduction=reduction), trainer
        )
        assert 0.1 < loss < 2.4
        assert 0.2 < accuracy <= 1


def test_train_ch13_takes_augmented_batches_and_a_loss_per_example(
    capsys: pytest.CaptureFixture[str],
) -> None:
    train_iter, test_iter = d2l.load_data_fashion_mnist(50)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    loss = nn.CrossEntropyLoss(reduction="none")
    trainer = torch.optim.Adam(net.parameters(), lr=0.01)
    d2l.train_ch13(net, train_iter, test_iter, loss, trainer, 2, d2l.try_all_gpus())
    assert d2l.evaluate_accuracy(net, test_iter) > 0.9
    assert "examples/sec on ['" in capsys.readouterr().out


def test_linear_regression_of_both_generations() -> None:
    true_w, true_b = torch.tensor([2, -3.4]), 4.2
    features, labels = d2l.synthetic_data(true_w, true_b, 500)
    w, b = torch.zeros((2, 1), requires_grad=True), torch.zeros(1, requires_grad=True)
    for _ in range(5):
        for X, y in d2l.data_iter(10, features, labels):
            d2l.squared_loss(d2l.linreg(X, w, b), y).sum().backward()
            d2l.sgd([w, b], 0.03, 10)
    assert torch.allclose(w.detach().flatten(), true_w, atol=0.02)

    model = d2l.LinearRegression(lr=0.03)
    data = d2l.SyntheticRegressionData(w=true_w, b=true_b, num_train=500, num_val=100)
    trainer = d2l.Trainer(max_epochs=5)
    trainer.fit(model, data)
    weight, bias = model.get_w_b()
    assert torch.allclose(weight.flatten(), true_w, atol=0.05)
    assert bias.item() == pytest.approx(true_b, abs=0.05)
    scratch = d2l.LinearRegressionScratch(2, lr=0.1)
    d2l.Trainer(max_epochs=5).fit(scratch, data)
    assert torch.allclose(scratch.w.detach().flatten(), true_w, atol=0.05)
    assert set(model.board.data) == {"train_loss", "val_loss"}


def test_the_later_editions_lenet(capsys: pytest.CaptureFixture[str]) -> None:
    trainer = d2l.Trainer(max_epochs=2, num_gpus=1, gradient_clip_val=1.0)
    data = d2l.FashionMNIST(batch_size=100)
    model = d2l.LeNet(lr=0.1)
    model.apply_init([next(iter(data.get_dataloader(True)))[0]], d2l.init_cnn)
    trainer.fit(model, data)
    assert set(model.board.data) == {"train_loss", "val_loss", "val_acc"}
    assert len(model.board.data["val_acc"]) == 2
    assert (model.hparams["lr"], model.lr) == (0.1, 0.1)
    d2l.LeNet().layer_summary((1, 1, 28, 28))
    assert "Conv2d output shape:\t torch.Size([1, 6, 28, 28])" in capsys.readouterr().out
    data.visualize(next(iter(data.val_dataloader())))


def test_add_to_class_and_a_network_of_ones_own() -> None:
    class Mine(d2l.Classifier):
        def __init__(self, lr: float) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.net = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))

    @d2l.add_to_class(Mine)
    def double(self: Any) -> float:
        return 2 * float(self.lr)

    model = Mine(lr=0.25)
    assert model.double() == 0.5  # type: ignore[attr-defined]
    d2l.Trainer(max_epochs=1).fit(model, d2l.FashionMNIST(batch_size=100))
    assert model.accuracy(torch.tensor([[0.0, 1.0]]), torch.tensor([1])).item() == 1
    assert model.loss(torch.zeros(3, 10), torch.zeros(3, dtype=torch.int64), averaged=False).shape == (3,)


def test_residual_blocks_of_both_generations() -> None:
    X = torch.rand(4, 3, 6, 6)
    assert d2l.Residual(3, 3)(X).shape == (4, 3, 6, 6)
    assert d2l.Residual(3, 6, use_1x1conv=True, strides=2)(X).shape == (4, 6, 3, 3)
    assert d2l.Residual(6, use_1x1conv=True, strides=2)(X).shape == (4, 6, 3, 3)
    assert d2l.Residual(3)(X).shape == X.shape
    net = d2l.resnet18(10, in_channels=3)
    assert net(torch.rand(2, 3, 32, 32)).shape == (2, 10)
    assert sum(p.numel() for p in d2l.resnet18(10).parameters()) == 11_178_378 - 64 * 49 + 64 * 9


def test_counting() -> None:
    timer = d2l.Timer()
    assert timer.avg() == 0
    timer.stop()
    timer.start()
    timer.stop()
    assert timer.cumsum()[-1] == pytest.approx(timer.sum())
    assert timer.avg() == pytest.approx(timer.sum() / 2)
    loss = d2l.evaluate_loss(lambda X: X.sum(1), [(torch.ones(4, 2), torch.zeros(4))], d2l.squared_loss)
    assert loss == pytest.approx(2.0)
    metric = d2l.Accumulator(2)
    metric.add(1, 2)
    metric.reset()
    assert metric[1] == 0


def test_plots_and_pictures() -> None:
    x = torch.arange(0, 3, 0.1, requires_grad=True)
    y = x.sigmoid()
    d2l.plot(x.detach(), y.detach(), "x", "sigmoid(x)", figsize=(5, 2.5))
    d2l.plot([1, 2, 3], [[1, 2, 3], [3, 2, 1]], "x", "y", legend=["a", "b"], xlim=[0, 4], yscale="log")
    axes = d2l.plt.gca()
    assert len(axes.lines) == 2
    assert axes.get_yscale() == "log"
    shown = d2l.show_images(torch.rand(6, 28, 28), 2, 3, titles=list("abcdef"))
    assert [ax.get_title() for ax in shown] == list("abcdef")
    animator = d2l.Animator(xlabel="epoch", legend=["a", "b"])
    for epoch in range(5):
        animator.add(epoch, (epoch, None))
    animator.show()
    assert animator.X == [[0, 1, 2, 3, 4], []]
    board = d2l.ProgressBoard("x")
    for place in range(10):
        board.draw(place, place**2, "sin", every_n=2)
    assert [point[0] for point in board.data["sin"]] == [0.5, 2.5, 4.5, 6.5, 8.5]


def test_short_names_are_pytorchs() -> None:
    x = d2l.arange(6, dtype=d2l.float32)
    assert torch.equal(d2l.reshape(x, (2, 3)), x.view(2, 3))
    assert d2l.reduce_sum(x) == 15
    assert d2l.reduce_mean(x) == 2.5
    assert d2l.size(x) == 6
    assert d2l.astype(x, d2l.int32).dtype is torch.int32
    assert d2l.argmax(x) == 5
    assert isinstance(d2l.numpy(x.requires_grad_()), numpy.ndarray)
    assert d2l.corr2d(d2l.ones((6, 8)), d2l.tensor([[1.0, -1.0]])).shape == (6, 7)
    assert d2l.transpose(d2l.zeros((2, 3))).shape == (3, 2)
    assert d2l.num_gpus() >= 0


def test_real_fashion_mnist_has_the_published_names(few_images: Splits) -> None:
    names = d2l.get_fashion_mnist_labels(range(10))
    assert names[0] == "t-shirt"
    assert replace(few_images).classes == tuple("0123456789")

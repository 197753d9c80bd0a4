"""Networks that readers define in the manner of the chapters, on the later editions' classes, and their own loops."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convnets import d2l


class SoftmaxScratch(d2l.Classifier):
    """Softmax regression on tensors of its own."""

    def __init__(self, num_inputs: int, num_outputs: int, lr: float, sigma: float = 0.01) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.W = torch.normal(0, sigma, size=(num_inputs, num_outputs), requires_grad=True)
        self.b = torch.zeros(num_outputs, requires_grad=True)

    def parameters(self, recurse: bool = True) -> Any:
        return [self.W, self.b]

    def forward(self, X: Tensor) -> Tensor:
        X = X.reshape((-1, self.W.shape[0]))
        exps = torch.exp(torch.matmul(X, self.W) + self.b)
        return exps / exps.sum(1, keepdim=True)

    def loss(self, y_hat: Tensor, y: Tensor, averaged: bool = True) -> Tensor:
        return -torch.log(y_hat[list(range(len(y_hat))), y]).mean()


class MLPScratch(d2l.Classifier):
    def __init__(
        self, num_inputs: int, num_outputs: int, num_hiddens: int, lr: float, sigma: float = 0.01
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.W1 = nn.Parameter(torch.randn(num_inputs, num_hiddens) * sigma)
        self.b1 = nn.Parameter(torch.zeros(num_hiddens))
        self.W2 = nn.Parameter(torch.randn(num_hiddens, num_outputs) * sigma)
        self.b2 = nn.Parameter(torch.zeros(num_outputs))


class MLP(d2l.Classifier):
    def __init__(self, num_outputs: int, num_hiddens: int, lr: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.Flatten(), nn.LazyLinear(num_hiddens), nn.ReLU(), nn.Dropout(0.1), nn.LazyLinear(num_outputs)
        )


class BatchNorm(nn.Module):
    """Batch norm by hand whose moving statistics are tensors, not buffers."""

    def __init__(self, num_features: int, num_dims: int) -> None:
        super().__init__()
        shape = (1, num_features) if num_dims == 2 else (1, num_features, 1, 1)
        self.gamma = nn.Parameter(torch.ones(shape))
        self.beta = nn.Parameter(torch.zeros(shape))
        self.moving_mean = torch.zeros(shape)
        self.moving_var = torch.ones(shape)

    def forward(self, X: Tensor) -> Tensor:
        if self.moving_mean.device != X.device:
            self.moving_mean, self.moving_var = self.moving_mean.to(X.device), self.moving_var.to(X.device)
        if torch.is_grad_enabled():
            axes = [axis for axis in range(X.ndim) if axis != 1]
            mean, var = X.mean(axes, keepdim=True), X.var(axes, unbiased=False, keepdim=True)
            self.moving_mean = 0.9 * self.moving_mean + 0.1 * mean.detach()
            self.moving_var = 0.9 * self.moving_var + 0.1 * var.detach()
        else:
            mean, var = self.moving_mean, self.moving_var
        return self.gamma * (X - mean) / torch.sqrt(var + 1e-5) + self.beta


class BNLeNetScratch(d2l.Classifier):
    def __init__(self, lr: float, num_classes: int = 10) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.LazyConv2d(6, kernel_size=5),
            BatchNorm(6, num_dims=4),
            nn.Sigmoid(),
            nn.AvgPool2d(kernel_size=4, stride=4),
            nn.Flatten(),
            nn.LazyLinear(32),
            BatchNorm(32, num_dims=2),
            nn.Sigmoid(),
            nn.LazyLinear(num_classes),
        )


def test_softmax_and_mlp_from_scratch_and_concise_learn() -> None:
    data = d2l.FashionMNIST(batch_size=50)
    scratch = MLPScratch(784, 10, 32, lr=0.3, sigma=0.1)

    @d2l.add_to_class(MLPScratch)
    def forward(self: Any, X: Tensor) -> Tensor:
        H = torch.max(torch.matmul(X.reshape((-1, self.num_inputs)), self.W1) + self.b1, torch.zeros(()))
        return torch.matmul(H, self.W2) + self.b2

    for model in (SoftmaxScratch(784, 10, lr=0.3), scratch, MLP(10, 32, lr=0.3)):
        d2l.Trainer(max_epochs=3).fit(model, data)
        X, y = next(iter(data.val_dataloader()))
        assert model.accuracy(model(X), y) > 0.85
        assert [point[0] for point in model.board.data["val_acc"]] == [1, 2, 3]


def test_predictions_that_are_wrong_are_shown_with_both_names() -> None:
    data = d2l.FashionMNIST(batch_size=64)
    model = MLP(10, 8, lr=0.1)
    X, y = next(iter(data.val_dataloader()))
    preds = model(X).argmax(axis=1)
    wrong = preds.type(y.dtype) != y
    X, y, preds = X[wrong], y[wrong], preds[wrong]
    labels = [a + "\n" + b for a, b in zip(data.text_labels(y), data.text_labels(preds), strict=True)]
    data.visualize([X, y], labels=labels)
    axes = d2l.plt.gcf().axes
    assert len(axes) == 8
    assert axes[0].get_title() == labels[0]


def test_batch_norm_by_hand_trains_with_the_trainer_and_in_ones_own_loop() -> None:
    data = d2l.FashionMNIST(batch_size=50)
    model = BNLeNetScratch(lr=0.5)
    model.apply_init([next(iter(data.get_dataloader(True)))[0]], d2l.init_cnn)
    d2l.Trainer(max_epochs=2, num_gpus=1).fit(model, data)
    assert model.net[1].moving_mean.abs().sum() > 0
    train_iter, test_iter = d2l.load_data_fashion_mnist(50)
    net = copy.deepcopy(model.net)
    optimizer, loss = torch.optim.SGD(net.parameters(), lr=0.5), nn.CrossEntropyLoss()
    animator = d2l.Animator(xlabel="epoch", xlim=[1, 2], legend=["train loss", "test acc"])
    metric, timer = d2l.Accumulator(3), d2l.Timer()
    for epoch in range(2):
        metric.reset()
        net.train()
        for i, (X, y) in enumerate(train_iter):
            timer.start()
            optimizer.zero_grad()
            y_hat = net(X)
            value = loss(y_hat, y)
            value.backward()
            optimizer.step()
            with torch.no_grad():
                metric.add(value * X.shape[0], d2l.accuracy(y_hat, y), X.shape[0])
            timer.stop()
            if (i + 1) % (len(train_iter) // 5) == 0:
                animator.add(epoch + (i + 1) / len(train_iter), (metric[0] / metric[2], None))
        animator.add(epoch + 1, (None, d2l.evaluate_accuracy_gpu(net, test_iter)))
    assert metric[2] == 1000
    assert len(timer.times) == 2 * len(train_iter)
    assert [len(line.get_xdata()) for line in animator.axes[0].lines] == [10, 2]
    assert d2l.evaluate_accuracy_gpu(net, test_iter) > 0.8


def vgg_block(num_convs: int, out_channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(num_convs):
        layers += [nn.LazyConv2d(out_channels, kernel_size=3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(kernel_size=2, stride=2))


def nin_block(out_channels: int, kernel_size: int, strides: int, padding: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LazyConv2d(out_channels, kernel_size, strides, padding),
        nn.ReLU(),
        nn.LazyConv2d(out_channels, kernel_size=1),
        nn.ReLU(),
    )


class Inception(nn.Module):
    def __init__(self, c1: int, c2: Sequence[int], c3: Sequence[int], c4: int) -> None:
        super().__init__()
        self.b1 = nn.LazyConv2d(c1, kernel_size=1)
        self.b2 = nn.Sequential(
            nn.LazyConv2d(c2[0], kernel_size=1), nn.ReLU(), nn.LazyConv2d(c2[1], kernel_size=3, padding=1)
        )
        self.b3 = nn.Sequential(
            nn.LazyConv2d(c3[0], kernel_size=1), nn.ReLU(), nn.LazyConv2d(c3[1], kernel_size=5, padding=2)
        )
        self.b4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), nn.LazyConv2d(c4, kernel_size=1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([F.relu(branch(x)) for branch in (self.b1, self.b2, self.b3, self.b4)], dim=1)


class DenseBlock(nn.Module):
    def __init__(self, num_convs: int, num_channels: int) -> None:
        super().__init__()
        self.net = nn.ModuleList(
            nn.Sequential(nn.LazyBatchNorm2d(), nn.ReLU(), nn.LazyConv2d(num_channels, 3, padding=1))
            for _ in range(num_convs)
        )

    def forward(self, X: Tensor) -> Tensor:
        for block in self.net:
            X = torch.cat((X, block(X)), dim=1)
        return X


HEAD = (nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten())


class Chain(d2l.Classifier):
    """A chapter's network from its parts, initialized before its lazy layers know their shapes, as the book does."""

    def __init__(self, parts: Sequence[nn.Module], lr: float = 0.01, num_classes: int = 10) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["parts"])
        self.net = nn.Sequential(*parts)
        self.net.apply(d2l.init_cnn)


def alexnet() -> list[nn.Module]:
    return [
        nn.LazyConv2d(96, kernel_size=11, stride=4, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.LazyConv2d(256, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Flatten(),
        nn.LazyLinear(64),
        nn.Dropout(p=0.5),
        nn.LazyLinear(10),
    ]


def vgg() -> list[nn.Module]:
    blocks = [vgg_block(convs, channels) for convs, channels in ((1, 16), (1, 32), (2, 64))]
    return [*blocks, nn.Flatten(), nn.LazyLinear(64), nn.ReLU(), nn.LazyLinear(10)]


def nin() -> list[nn.Module]:
    return [
        nin_block(16, 11, 4, 0),
        nn.MaxPool2d(3, stride=2),
        nn.Dropout(0.5),
        nin_block(10, 3, 1, 1),
        *HEAD,
    ]


def googlenet() -> list[nn.Module]:
    stem = nn.Sequential(
        nn.LazyConv2d(16, kernel_size=7, stride=2, padding=3), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
    )
    return [stem, Inception(8, (8, 16), (4, 8), 8), nn.MaxPool2d(3, 2, 1), *HEAD, nn.LazyLinear(10)]


def resnet() -> list[nn.Module]:
    stem = nn.Sequential(nn.LazyConv2d(16, 7, 2, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    second = nn.Sequential(d2l.Residual(32, use_1x1conv=True, strides=2), d2l.Residual(32))
    return [stem, d2l.Residual(16), second, *HEAD, nn.LazyLinear(10)]


def regnet() -> list[nn.Module]:
    stem = nn.Sequential(nn.LazyConv2d(8, 3, 2, 1), nn.LazyBatchNorm2d(), nn.ReLU())
    stage = nn.Sequential(
        d2l.ResNeXtBlock(32, 16, 1, use_1x1conv=True, strides=2), d2l.ResNeXtBlock(32, 16, 1)
    )
    return [stem, stage, *HEAD, nn.LazyLinear(10)]


def densenet() -> list[nn.Module]:
    between = nn.Sequential(nn.LazyBatchNorm2d(), nn.ReLU(), nn.LazyConv2d(16, 1), nn.AvgPool2d(2, stride=2))
    return [
        nn.LazyConv2d(16, 3, padding=1),
        DenseBlock(2, 8),
        between,
        DenseBlock(2, 8),
        *HEAD,
        nn.LazyLinear(10),
    ]


@pytest.mark.parametrize("parts", [alexnet, vgg, nin, googlenet, resnet, regnet, densenet])
def test_networks_of_lazy_layers_are_summarized_and_trained(
    parts: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    side = 64 if parts in (alexnet, nin) else 32
    model = Chain(parts())
    model.layer_summary((1, 1, side, side))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(model.net)
    assert lines[-1].endswith("torch.Size([1, 10])")
    assert all("output shape:\t torch.Size([1, " in line for line in lines)
    data = d2l.FashionMNIST(batch_size=64, resize=(side, side))
    data.train = data.train.subset(list(range(128)))
    data.val = data.val.subset(list(range(64)))
    model = Chain(parts())
    batch = next(iter(data.get_dataloader(True)))[0]
    model.apply_init([batch], d2l.init_cnn)
    d2l.Trainer(max_epochs=1, num_gpus=1).fit(model, data)
    assert set(model.board.data) == {"train_loss", "val_loss", "val_acc"}


def test_the_books_resnext_block() -> None:
    X = torch.randn(4, 32, 96, 96)
    assert d2l.ResNeXtBlock(32, 16, 1)(X).shape == X.shape
    block = d2l.ResNeXtBlock(64, 16, 0.5, use_1x1conv=True, strides=2)
    assert block(X).shape == (4, 64, 48, 48)
    weights = sum(p.numel() for name, p in block.named_parameters() if name.startswith("conv"))
    middle = 32  # of groups of 16 channels
    assert weights == (32 * middle + middle) + (16 * 9 * middle + middle) + (middle * 64 + 64) + (
        32 * 64 + 64
    )


def test_methods_and_blocks_are_added_to_classes() -> None:
    class ResNet(d2l.Classifier):
        def __init__(self, arch: Sequence[tuple[int, int]], lr: float = 0.1, num_classes: int = 10) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.net = nn.Sequential(nn.LazyConv2d(8, 3, padding=1))
            for i, b in enumerate(arch):
                self.net.add_module(f"b{i + 2}", self.block(*b, first_block=(i == 0)))  # type: ignore[attr-defined]
            self.net.add_module("last", nn.Sequential(*HEAD, nn.LazyLinear(num_classes)))
            self.net.apply(d2l.init_cnn)

    @d2l.add_to_class(ResNet)
    def block(self: Any, num_residuals: int, num_channels: int, first_block: bool = False) -> nn.Sequential:
        first = [] if first_block else [d2l.Residual(num_channels, use_1x1conv=True, strides=2)]
        others = [d2l.Residual(num_channels) for _ in range(num_residuals - len(first))]
        return nn.Sequential(*first, *others)

    model = ResNet(((2, 8), (2, 16)))
    assert model(torch.rand(2, 1, 16, 16)).shape == (2, 10)
    assert model.lr == 0.1
    assert model.hparams["arch"] == ((2, 8), (2, 16))


def test_a_module_with_weight_decay_and_a_logarithmic_board() -> None:
    class Data(d2l.DataModule):
        def __init__(self, num_train: int, num_val: int, num_inputs: int, batch_size: int) -> None:
            super().__init__()
            self.save_hyperparameters()
            n = num_train + num_val
            self.X = torch.randn(n, num_inputs)
            w, b = torch.ones((num_inputs, 1)) * 0.01, 0.05
            self.y = torch.matmul(self.X, w) + b + torch.randn(n, 1) * 0.01

        def get_dataloader(self, train: bool) -> Any:
            i = slice(0, self.num_train) if train else slice(self.num_train, None)  # type: ignore[attr-defined]
            return self.get_tensorloader([self.X, self.y], train, i)

    class WeightDecay(d2l.LinearRegression):
        def __init__(self, wd: float, lr: float) -> None:
            super().__init__(lr)
            self.save_hyperparameters()
            self.wd = wd

        def configure_optimizers(self) -> torch.optim.Optimizer:
            groups = [{"params": self.net.weight, "weight_decay": self.wd}, {"params": self.net.bias}]
            return torch.optim.SGD(groups, lr=self.lr)

    data = Data(num_train=20, num_val=100, num_inputs=50, batch_size=5)
    norms = []
    for wd in (0.0, 10.0):
        torch.manual_seed(2)
        model = WeightDecay(wd=wd, lr=0.01)
        model.board.yscale = "log"
        d2l.Trainer(max_epochs=5).fit(model, data)
        assert model.board.fig.axes[0].get_yscale() == "log"
        norms.append(float(model.get_w_b()[0].norm()))
    assert norms[1] < norms[0] / 2


def test_a_trained_module_can_be_copied_saved_and_trained_on(tmp_path: Any) -> None:
    model = MLP(10, 8, lr=0.1)
    data = d2l.FashionMNIST(batch_size=250)
    d2l.Trainer(max_epochs=1).fit(model, data)
    twin = copy.deepcopy(model)
    torch.save(model.state_dict(), tmp_path / "mlp.params")
    twin.load_state_dict(torch.load(tmp_path / "mlp.params"))
    d2l.Trainer(max_epochs=1).fit(twin, data)
    assert len(twin.board.data["val_acc"]) == 2
    assert len(model.board.data["val_acc"]) == 1

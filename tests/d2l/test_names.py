"""Each name that the book's listings use, in the way they use it; the longer listings are in the other files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from torch import nn

from convnets import d2l

NAMES = """
load_data_fashion_mnist get_fashion_mnist_labels get_dataloader_workers load_array data_iter synthetic_data train_ch3
train_epoch_ch3 predict_ch3 evaluate_accuracy evaluate_loss train_ch6 evaluate_accuracy_gpu train_batch_ch13 train_ch13
accuracy Accumulator Timer Animator plot set_axes set_figsize use_svg_display show_images plt try_gpu try_all_gpus
linreg squared_loss sgd corr2d Residual ResNeXtBlock resnet18 Module DataModule Classifier Trainer ProgressBoard
HyperParameters FashionMNIST LeNet init_cnn add_to_class cpu gpu num_gpus SyntheticRegressionData
LinearRegressionScratch LinearRegression SGD Image np torch nn F nn_Module
ones_like ones zeros_like zeros tensor arange meshgrid sin sinh cos cosh tanh linspace exp log normal rand randn matmul
int32 int64 float32 concat stack abs eye sigmoid batch_matmul numpy size reshape to reduce_sum argmax astype transpose
reduce_mean expand_dims swapaxes repeat
download download_extract download_all extract DATA_HUB DATA_URL SoftmaxRegression
HPOTrainer HPOSearcher RandomSearcher HPOScheduler BasicScheduler HPOTuner SuccessiveHalvingScheduler
hpo_objective_lenet
k_fold get_k_fold_data train_and_pred log_rmse KaggleHouse k_fold_data
"""


@pytest.mark.parametrize("name", NAMES.split())
def test_the_books_name_is_here(name: str) -> None:
    assert getattr(d2l, name) is not None
    assert name in d2l.__all__


def test_nothing_public_is_left_untold() -> None:
    assert set(d2l.__all__) == {*NAMES.split(), "ImageLoader"}


def test_pictures_of_the_chapter_on_augmentation(tmp_path: Path) -> None:
    rng = numpy.random.default_rng(0)
    d2l.Image.fromarray(rng.integers(255, size=(40, 50, 3), dtype=numpy.uint8)).save(tmp_path / "cat1.png")
    d2l.set_figsize()
    img = d2l.Image.open(tmp_path / "cat1.png")
    d2l.plt.imshow(img)

    def apply(img: Any, aug: Any, num_rows: int = 2, num_cols: int = 4, scale: float = 1.5) -> Any:
        Y = [aug(img) for _ in range(num_rows * num_cols)]
        return d2l.show_images(Y, num_rows, num_cols, scale=scale)

    shown = apply(img, lambda image: image.transpose(d2l.Image.Transpose.FLIP_LEFT_RIGHT))
    assert len(shown) == 8
    assert numpy.array_equal(shown[7].images[0].get_array(), numpy.asarray(img)[:, ::-1])


def test_plots_of_activations_and_gradients() -> None:
    x = torch.arange(-8.0, 8.0, 0.1, requires_grad=True)
    y = torch.sigmoid(x)
    y.backward(torch.ones_like(x))
    assert x.grad is not None
    d2l.plot(
        x.detach().numpy(),
        [y.detach().numpy(), x.grad.numpy()],
        legend=["sigmoid", "gradient"],
        figsize=(4.5, 2.5),
    )
    axes = d2l.plt.gca()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["sigmoid", "gradient"]
    assert numpy.allclose(axes.lines[1].get_ydata(), (y * (1 - y)).detach().numpy())
    x = numpy.arange(0, 3, 0.1)
    d2l.plot(x, [3 * x**2 - 4 * x, 2 * x - 3], "x", "f(x)", legend=["f(x)", "Tangent line (x=1)"])
    assert len(d2l.plt.gca().lines) == 2
    d2l.plot([[1, 2], [1, 2, 3]], [[1, 2], [3, 2, 1]], fmts=("-", "m--"))
    assert [len(line.get_xdata()) for line in d2l.plt.gca().lines] == [2, 3]


def test_axes_and_figures() -> None:
    d2l.use_svg_display()
    d2l.set_figsize((4, 3))
    assert d2l.plt.rcParams["figure.figsize"] == [4, 3]
    _, axes = d2l.plt.subplots()
    axes.plot([1, 10], [1, 100])
    d2l.set_axes(axes, "epoch", "loss", [1, 10], [1, 100], "linear", "log", ["train"])
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("epoch", "loss", "log")
    assert axes.get_xlim() == (1, 10)


def test_devices() -> None:
    assert d2l.cpu() == torch.device("cpu")
    assert d2l.gpu(1).type in ("cuda", "mps")
    count = d2l.num_gpus()
    assert d2l.try_gpu(count).type == "cpu"
    assert len(d2l.try_all_gpus()) == max(1, count)
    assert torch.ones(2, device=d2l.try_gpu()).device.type == d2l.try_gpu().type


def test_edge_detection_with_corr2d() -> None:
    X = torch.ones((6, 8))
    X[:, 2:6] = 0
    K = torch.tensor([[1.0, -1.0]])
    Y = d2l.corr2d(X, K)
    assert torch.equal(Y[0], torch.tensor([0.0, 1, 0, 0, 0, -1, 0]))
    assert torch.equal(d2l.corr2d(X.t(), K), torch.zeros(8, 5))
    theirs = nn.functional.conv2d(X[None, None], K[None, None])[0, 0]
    assert torch.equal(Y, theirs)


def test_one_batch_as_train_batch_ch13_takes_it() -> None:
    torch.manual_seed(1)
    net = nn.Linear(4, 3)
    X, y = torch.rand(5, 4), torch.tensor([0, 1, 2, 0, 1])
    loss = nn.CrossEntropyLoss(reduction="none")
    before = loss(net(X), y).sum()
    right = d2l.accuracy(net(X), y)
    trainer = torch.optim.SGD(net.parameters(), lr=0.01)
    found = d2l.train_batch_ch13(net, X, y, loss, trainer, [d2l.cpu()])
    assert float(found[0]) == pytest.approx(float(before.detach()))
    assert found[1] == right
    assert loss(net(X), y).sum() < before
    pair = nn.Bilinear(4, 4, 3)

    class Both(nn.Module):
        def forward(self, both: list[torch.Tensor]) -> torch.Tensor:
            return pair(*both)

    trainer = torch.optim.SGD(pair.parameters(), lr=0.01)
    total, _ = d2l.train_batch_ch13(Both(), [X, X], y, loss, trainer, [d2l.cpu()])
    assert torch.isfinite(total)


def test_hyperparameters_are_kept_but_for_those_left_out() -> None:
    class B(d2l.HyperParameters):
        def __init__(self, a: int, b: int, c: int) -> None:
            self.save_hyperparameters(ignore=["c"])

    b = B(a=1, b=2, c=3)
    assert (b.a, b.b) == (1, 2)  # type: ignore[attr-defined]
    assert not hasattr(b, "c")


def test_a_board_draws_means() -> None:
    board = d2l.ProgressBoard("x")
    for x in numpy.arange(0, 10, 0.1):
        board.draw(x, numpy.sin(x), "sin", every_n=2)
        board.draw(x, numpy.cos(x), "cos", every_n=10)
    assert (len(board.data["sin"]), len(board.data["cos"])) == (50, 10)
    drawn = {line.get_label(): line for line in board.fig.axes[0].lines}
    assert numpy.allclose(drawn["cos"].get_xdata(), numpy.arange(0.45, 10, 1))
    assert board.data["sin"][0][1] == pytest.approx((numpy.sin(0) + numpy.sin(0.1)) / 2)


def test_short_names_compute_what_numpy_does() -> None:
    rng = numpy.random.default_rng(0)
    array = rng.random((3, 4), dtype=numpy.float32)
    x = d2l.tensor(array)
    for name in ("sin", "sinh", "cos", "cosh", "tanh", "exp", "log", "abs", "ones_like", "zeros_like"):
        ours, theirs = getattr(d2l, name)(x), getattr(numpy, name)(array)
        assert numpy.allclose(d2l.numpy(ours), theirs), name
    assert numpy.array_equal(d2l.concat([x, x], 0), numpy.concatenate([array, array]))
    assert numpy.array_equal(d2l.stack([x, x]), numpy.stack([array, array]))
    assert numpy.array_equal(d2l.expand_dims(x, 1), array[:, None])
    assert numpy.array_equal(d2l.swapaxes(x, 0, 1), array.T)
    assert numpy.array_equal(d2l.repeat(x, 2, 1), numpy.tile(array, (2, 1)))
    assert numpy.allclose(d2l.reduce_sum(x, 0), array.sum(0))
    assert numpy.allclose(d2l.reduce_mean(x, 1), array.mean(1))
    assert numpy.array_equal(d2l.argmax(x, 1), array.argmax(1))
    assert numpy.allclose(d2l.matmul(x, d2l.transpose(x)), array @ array.T, atol=1e-6)
    assert d2l.batch_matmul(d2l.rand(2, 3, 4), d2l.randn(2, 4, 5)).shape == (2, 3, 5)
    assert numpy.array_equal(d2l.eye(3), numpy.eye(3))
    assert d2l.to(x, d2l.cpu()).device.type == "cpu"
    assert d2l.sigmoid(d2l.zeros(1)).item() == 0.5
    assert d2l.linspace(0, 1, 5).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert d2l.meshgrid(d2l.arange(2), d2l.arange(3), indexing="ij")[0].shape == (2, 3)
    assert d2l.normal(0, 1, (2, 2)).dtype is d2l.float32
    assert d2l.ones((2,), dtype=d2l.int64).dtype is d2l.int64
    assert d2l.np is numpy
    assert d2l.nn_Module is nn.Module


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("train_ch8", "recurrent networks are not covered"),
        ("train_ch66", "nearest: train_ch6"),
        ("transforms", "import it from torchvision"),
        ("qqqqqq", "the chapters up to modern convolutional networks"),
    ],
)
def test_a_name_that_is_missing_says_what_to_use_instead(name: str, instead: str) -> None:
    """The same line for both ways to ask; `hasattr` and the default of `getattr` work as for any module."""
    with pytest.raises(AttributeError, match=f"convnets.d2l has no '{name}'; .*{instead}") as caught:
        getattr(d2l, name)
    assert "\n" not in str(caught.value)
    with pytest.raises(ImportError) as told:
        exec(f"from convnets.d2l import {name}")
    assert str(told.value) == str(caught.value)
    assert not hasattr(d2l, name)
    assert getattr(d2l, name, None) is None


def test_the_documents_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    """One after the other, as a reader would; Fashion-MNIST is the fixture's small set."""
    text = (Path(__file__).parents[2] / "docs" / "how-to" / "d2l.md").read_text("utf-8")
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, names)
    printed = capsys.readouterr().out
    assert "1000 torch.Size([1000, 28, 28])" in printed
    assert "Trial 2: config = {'learning_rate': " in printed
    assert len(names["own_loader"]) == 4


def test_the_documents_table_holds_every_name() -> None:
    text = (Path(__file__).parents[2] / "docs" / "how-to" / "d2l.md").read_text("utf-8")
    assert [name for name in d2l.__all__ if f"`{name}`" not in text] == []


@pytest.mark.parametrize(("mode", "is_gray"), [("L", True), ("RGB", False)])
def test_gray_pictures_of_pillow_are_shown_gray(mode: str, is_gray: bool) -> None:
    axes = d2l.show_images([d2l.Image.new(mode, (4, 4))], 1, 1)
    assert (axes[0].get_images()[0].get_cmap().name == "gray") is is_gray

"""The book's networks against a second reading of its tables: plain functions that take the weights in order.

Each reference below is written from the table alone (kernel, stride, padding, channels) and computes in float64.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.models.book.densenet_d2l import DenseBlock, transition
from convnets.models.book.resnet_d2l import Residual
from convnets.models.catalogue import create_model
from convnets.models.contract import ImageClassifier
from convnets.models.papers.googlenet import INCEPTION_ROWS, Inception


class Weights:
    """The parameters of a network in the order in which it lists them, each to be used once."""

    def __init__(self, network: nn.Module) -> None:
        self.left = [p.detach() for p in network.parameters()]

    def conv(self, x: Tensor, channels: int, k: int, s: int = 1, p: int = 0) -> Tensor:
        weight, bias = self.left.pop(0), self.left.pop(0)
        assert weight.shape == (channels, x.shape[1], k, k)
        return F.conv2d(x, weight, bias, stride=s, padding=p)

    def linear(self, x: Tensor, features: int) -> Tensor:
        weight, bias = self.left.pop(0), self.left.pop(0)
        assert weight.shape == (features, x.shape[1])
        return x @ weight.T + bias

    def norm(self, x: Tensor) -> Tensor:
        """Batch norm in training, written out: (x − mean) / √(variance + ε) · γ + β for each channel."""
        scale, shift = self.left.pop(0), self.left.pop(0)
        axes = [a for a in range(x.ndim) if a != 1]
        centered = x - x.mean(axes, keepdim=True)
        shape = [1, -1] + [1] * (x.ndim - 2)
        unit = centered / (centered.square().mean(axes, keepdim=True) + 1e-5).sqrt()
        return unit * scale.view(shape) + shift.view(shape)


def softmax(w: Weights, x: Tensor) -> Tensor:
    return w.linear(x.flatten(1), 10)


def mlp(w: Weights, x: Tensor) -> Tensor:
    return w.linear(w.linear(x.flatten(1), 256).clamp(min=0), 10)


def lenet(w: Weights, x: Tensor) -> Tensor:
    x = F.avg_pool2d(torch.sigmoid(w.conv(x, 6, 5, p=2)), 2, 2)
    x = F.avg_pool2d(torch.sigmoid(w.conv(x, 16, 5)), 2, 2).flatten(1)
    for features in (120, 84):
        x = torch.sigmoid(w.linear(x, features))
    return w.linear(x, 10)


def lenet_bn(w: Weights, x: Tensor) -> Tensor:
    for channels in (6, 16):
        x = F.avg_pool2d(torch.sigmoid(w.norm(w.conv(x, channels, 5))), 2, 2)
    x = x.flatten(1)
    for features in (120, 84):
        x = torch.sigmoid(w.norm(w.linear(x, features)))
    return w.linear(x, 10)


def alexnet_d2l(w: Weights, x: Tensor) -> Tensor:
    x = F.max_pool2d(w.conv(x, 96, 11, s=4, p=1).relu(), 3, 2)
    x = F.max_pool2d(w.conv(x, 256, 5, p=2).relu(), 3, 2)
    for channels in (384, 384, 256):
        x = w.conv(x, channels, 3, p=1).relu()
    x = F.max_pool2d(x, 3, 2).flatten(1)
    for _ in range(2):
        x = w.linear(x, 4096).relu()
    return w.linear(x, 10)


def vgg11_quarter(w: Weights, x: Tensor) -> Tensor:
    for convolutions, channels in ((1, 16), (1, 32), (2, 64), (2, 128), (2, 128)):
        for _ in range(convolutions):
            x = w.conv(x, channels, 3, p=1).relu()
        x = F.max_pool2d(x, 2, 2)
    x = x.flatten(1)
    for _ in range(2):
        x = w.linear(x, 4096).relu()
    return w.linear(x, 10)


def nin(w: Weights, x: Tensor) -> Tensor:
    for channels, k, s, p in ((96, 11, 4, 0), (256, 5, 1, 2), (384, 3, 1, 1), (10, 3, 1, 1)):
        x = w.conv(x, channels, k, s, p).relu()
        for _ in range(2):
            x = w.conv(x, channels, 1).relu()
        if channels != 10:
            x = F.max_pool2d(x, 3, 2)
    return x.mean((2, 3))


def inception(w: Weights, x: Tensor, name: str) -> Tensor:
    _, one, three, five, pooled = INCEPTION_ROWS[name]
    return torch.cat(
        [
            w.conv(x, one, 1).relu(),
            w.conv(w.conv(x, three[0], 1).relu(), three[1], 3, p=1).relu(),
            w.conv(w.conv(x, five[0], 1).relu(), five[1], 5, p=2).relu(),
            w.conv(F.max_pool2d(x, 3, 1, 1), pooled, 1).relu(),
        ],
        dim=1,
    )


def googlenet(w: Weights, x: Tensor) -> Tensor:
    x = F.max_pool2d(w.conv(x, 64, 7, s=2, p=3).relu(), 3, 2, 1)
    x = w.conv(w.conv(x, 64, 1).relu(), 192, 3, p=1).relu()
    x = F.max_pool2d(x, 3, 2, 1)
    for name in INCEPTION_ROWS:
        x = inception(w, x, name)
        if name in ("3b", "4e"):
            x = F.max_pool2d(x, 3, 2, 1)
    return w.linear(x.mean((2, 3)), 10)


def residual(w: Weights, x: Tensor, channels: int, stride: int) -> Tensor:
    first, second = (w.left.pop(0), w.left.pop(0)), None
    y = F.conv2d(x, *first, stride=stride, padding=1)
    y = w.norm(y).relu()
    y = w.norm(w.conv(y, channels, 3, p=1))
    second = w.conv(x, channels, 1, s=stride) if y.shape != x.shape else x
    return (y + second).relu()


def resnet18_d2l(w: Weights, x: Tensor) -> Tensor:
    x = F.max_pool2d(w.norm(w.conv(x, 64, 7, s=2, p=3)).relu(), 3, 2, 1)
    for channels, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        x = residual(w, x, channels, stride)
    return w.linear(x.mean((2, 3)), 10)


def densenet_d2l(w: Weights, x: Tensor) -> Tensor:
    x = F.max_pool2d(w.norm(w.conv(x, 64, 7, s=2, p=3)).relu(), 3, 2, 1)
    for block in range(4):
        for _ in range(4):
            x = torch.cat([x, w.conv(w.norm(x).relu(), 32, 3, p=1)], dim=1)
        if block < 3:
            x = F.avg_pool2d(w.conv(w.norm(x).relu(), x.shape[1] // 2, 1), 2, 2)
    return w.linear(w.norm(x).relu().mean((2, 3)), 10)


REFERENCES: dict[str, tuple[Callable[[Weights, Tensor], Tensor], int]] = {
    "softmax": (softmax, 28),
    "mlp": (mlp, 28),
    "lenet": (lenet, 28),
    "lenet_bn": (lenet_bn, 28),
    "alexnet_d2l": (alexnet_d2l, 96),
    "vgg11_quarter": (vgg11_quarter, 224),
    "nin": (nin, 96),
    "googlenet": (googlenet, 96),
    "resnet18_d2l": (resnet18_d2l, 96),
    "densenet_d2l": (densenet_d2l, 96),
}


@pytest.mark.parametrize(("name", "reference"), REFERENCES.items(), ids=REFERENCES)
def test_a_second_reading_of_the_table_gives_the_same_logits(
    name: str, reference: tuple[Callable[[Weights, Tensor], Tensor], int]
) -> None:
    compute, side = reference
    network = with_dropout_off(create_model(name, input_size=side, seed=0).double().train())
    x = torch.randn(2, 1, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    weights = Weights(network)
    with torch.no_grad():
        expected = compute(weights, x)
        got = network(x)
    assert weights.left == []
    assert expected.std() > 1e-4
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


def with_dropout_off(network: ImageClassifier) -> ImageClassifier:
    """Batch norm keeps the batch's statistics, as in training, and nothing is drawn."""
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.eval()
    return network


def test_a_residual_block_keeps_or_halves() -> None:
    assert Residual(3, 3)(torch.rand(4, 3, 6, 6)).shape == (4, 3, 6, 6)
    assert Residual(3, 6, stride=2)(torch.rand(4, 3, 6, 6)).shape == (4, 6, 3, 3)


def test_a_dense_block_and_a_transition() -> None:
    x = DenseBlock(2, 3, 10)(torch.rand(4, 3, 8, 8))
    assert x.shape == (4, 23, 8, 8)
    assert transition(23, 10)(x).shape == (4, 10, 4, 4)


def test_inception_rows_fit_together() -> None:
    rows = list(INCEPTION_ROWS.values())
    channels = [one + three[1] + five[1] + pooled for _, one, three, five, pooled in rows]
    assert [row[0] for row in rows] == [192, *channels[:-1]]
    assert channels[-1] == 1024


def test_nin_without_its_last_relu_lets_every_class_learn() -> None:
    """Same weights: logits below 0, of which the network that ends in ReLU makes averages of zeros."""
    ending, open_ended = (
        create_model("nin", input_size=96, seed=0, last_relu=last) for last in (True, False)
    )
    assert ending.state_dict().keys() == open_ended.state_dict().keys()
    x = torch.rand(16, 1, 96, 96, generator=torch.Generator().manual_seed(0))
    maps = with_dropout_off(open_ended).class_maps(open_ended.features(x))
    torch.testing.assert_close(with_dropout_off(ending)(x), maps.relu().mean((2, 3)))
    dead = (ending(x) == 0).all(0)
    assert dead.any()
    F.cross_entropy(ending(x), torch.arange(16) % 10).backward()
    F.cross_entropy(open_ended(x), torch.arange(16) % 10).backward()
    last = [network.get_parameter("class_maps.4.bias").grad for network in (ending, open_ended)]
    assert last[0] is not None
    assert last[1] is not None
    assert (last[0][dead] == 0).all()
    assert (last[1] != 0).all()


def test_why_an_inception_block_is_cheap() -> None:
    """192 → 256 channels on 28×28: parameters and MACs beside one 3×3 and one 5×5 convolution."""
    blocks = [
        Inception(*INCEPTION_ROWS["3a"]),
        nn.Conv2d(192, 256, kernel_size=3, padding=1),
        nn.Conv2d(192, 256, kernel_size=5, padding=2),
    ]
    parameters = [sum(p.numel() for p in block.parameters()) for block in blocks]
    assert parameters == [163_696, 442_624, 1_229_056]
    weights = [sum(p.numel() for p in block.parameters() if p.ndim == 4) for block in blocks]
    assert [count * 28 * 28 for count in weights] == [128_049_152, 346_816_512, 963_379_200]
    assert [block(torch.rand(1, 192, 28, 28)).shape for block in blocks] == [(1, 256, 28, 28)] * 3

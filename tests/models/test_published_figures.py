"""Parameters, MACs and output shapes of every network, as its paper or the book gives them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from convnets.core.shapes import window_output_size
from convnets.inspection.running.shapes import QuickShapes
from convnets.models.catalogue import create_model, list_models, model_entry
from convnets.models.contract import ImageClassifier

# name: parameters, multiply-accumulates of convolutions and linear layers for one image at the published size
BOOK = {
    "softmax": (7_850, 7_840),
    "mlp": (203_530, 203_264),
    "lenet": (61_706, 416_520),
    "lenet_bn": (44_878, 281_640),
    "alexnet_d2l": (46_764_746, 938_146_176),
    "vgg11": (128_806_154, 7_547_232_256),
    "vgg11_quarter": (43_093_322, 512_155_648),
    "nin": (1_992_166, 762_297_352),
    "googlenet": (5_977_530, 276_066_304),
    "resnet18_d2l": (11_178_378, 318_657_536),
    "densenet_d2l": (758_226, 129_077_168),
}
STANDARD = {
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg11_bn": 132_868_840,
    "vgg13_bn": 133_053_736,
    "vgg16_bn": 138_365_992,
    "vgg19_bn": 143_678_248,
    "googlenet_bn": 6_624_904,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "densenet121": 7_978_856,
    "densenet161": 28_681_000,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
    "resnet18_small": 11_173_962,
}
# He et al., table 6, and Huang et al., table 2, in millions to the digits that they print
SMALL = {
    "resnet20": "0.27",
    "resnet32": "0.46",
    "resnet44": "0.66",
    "resnet56": "0.85",
    "resnet110": "1.7",
    "densenet_bc100": "0.8",
}


# parameters and MACs, layer by layer: kernel·in·out + out for each convolution and linear layer, 2·channels for a norm
_BLOCKS = ((1, 64), (64, 128), (128, 128))
SERIES = {
    "lenet1d": (
        (5 * 6 + 6) + (5 * 6 * 16 + 16) + (464 * 120 + 120) + (120 * 84 + 84) + (84 * 10 + 10),
        124 * 5 * 6 + 58 * 5 * 6 * 16 + 464 * 120 + 120 * 84 + 84 * 10,
    ),
    "resnet1d": (
        sum(8 * i * o + 5 * o * o + 3 * o * o + 8 * o + (i * o if i != o else 0) for i, o in _BLOCKS) + 1290,
        128 * sum(8 * i * o + 8 * o * o + (i * o if i != o else 0) for i, o in _BLOCKS) + 1280,
    ),
    # six blocks of two convolutions of 3 numbers and two norms; the first has one channel, and a skip with biases
    "tcn": (
        3 * 32 + 64 + 11 * (3 * 32 * 32 + 64) + (32 + 32) + 330,
        128 * (3 * 32 + 32 + 11 * 3 * 32 * 32) + 320,
    ),
}


def on_meta(name: str, **arguments: Any) -> ImageClassifier:
    """The network without memory for its weights: shapes are all that is asked here."""
    with torch.device("meta"):
        return create_model(name, **arguments).eval()


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def image(name: str, in_channels: int | None = None, size: int | None = None) -> Tensor:
    entry = model_entry(name)
    return torch.empty(1, *entry.input_shape(in_channels, size), device="meta")


def counted_macs(network: ImageClassifier, x: Tensor) -> int:
    with QuickShapes(), FlopCounterMode(display=False) as counter:
        network(x)
    return counter.get_total_flops() // 2


def outputs(network: ImageClassifier, x: Tensor, layers: type | tuple[type, ...]) -> list[tuple[int, ...]]:
    """Output shapes, without N, of all layers of these types, in the order in which they run."""
    shapes: list[tuple[int, ...]] = []
    hooks = [
        module.register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape[1:])))
        for module in network.modules()
        if isinstance(module, layers)
    ]
    with QuickShapes():
        network(x)
    for hook in hooks:
        hook.remove()
    return shapes


@pytest.mark.parametrize(("name", "figures"), BOOK.items(), ids=BOOK)
def test_the_books_networks(name: str, figures: tuple[int, int]) -> None:
    network = on_meta(name, in_channels=1, num_classes=10)
    assert parameters(network) == figures[0]
    assert counted_macs(network, image(name, in_channels=1)) == figures[1]


@pytest.mark.parametrize(("name", "count"), STANDARD.items(), ids=STANDARD)
def test_the_standard_networks(name: str, count: int) -> None:
    assert parameters(on_meta(name)) == count


@pytest.mark.parametrize(("name", "millions"), SMALL.items(), ids=SMALL)
def test_networks_for_small_images(name: str, millions: str) -> None:
    digits = len(millions.partition(".")[2])
    assert f"{parameters(on_meta(name)) / 1e6:.{digits}f}" == millions


def test_no_network_is_left_out() -> None:
    own = {"speednet"}  # ours: its figures are in its own test
    assert set(list_models()) == {*BOOK, *STANDARD, *SMALL, *SERIES, "linear", *own}


@pytest.mark.parametrize(("name", "figures"), SERIES.items(), ids=SERIES)
def test_the_networks_for_series(name: str, figures: tuple[int, int]) -> None:
    network = on_meta(name)
    assert (parameters(network), counted_macs(network, image(name))) == figures


def test_an_mlp_as_wide_and_deep_as_asked() -> None:
    network = on_meta("mlp", in_channels=20, input_size=1, num_classes=3, widths=[16, 8], batch_norm=True)
    assert parameters(network) == 20 * 16 + 16 + 2 * 16 + 16 * 8 + 8 + 2 * 8 + 8 * 3 + 3
    assert parameters(on_meta("linear", in_channels=20, input_size=1)) == 21


def by_hand(network: ImageClassifier, x: Tensor) -> Iterator[int]:
    """MACs of each layer, from the size that the previous one leaves: for networks that are one chain."""
    side = x.shape[-1]
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            side = window_output_size(side, layer.kernel_size[0], layer.stride[0], int(layer.padding[0]))
            yield side**2 * layer.in_channels * layer.out_channels * layer.kernel_size[0] ** 2
        elif isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
            kernel, stride = (v[0] if isinstance(v, tuple) else v for v in (layer.kernel_size, layer.stride))
            side = window_output_size(side, kernel, stride, int(layer.padding))
        elif isinstance(layer, nn.Linear):
            yield layer.in_features * layer.out_features


@pytest.mark.parametrize(
    "name", ["softmax", "mlp", "lenet", "lenet_bn", "alexnet_d2l", "vgg11", "vgg11_quarter", "nin"]
)
def test_macs_of_chains_by_hand(name: str) -> None:
    network = on_meta(name, in_channels=1, num_classes=10)
    assert sum(by_hand(network, image(name, in_channels=1))) == BOOK[name][1]


def test_shapes_of_lenet() -> None:
    layers = (nn.Conv2d, nn.AvgPool2d, nn.Flatten, nn.Linear)
    shapes = outputs(on_meta("lenet"), image("lenet"), layers)
    assert shapes == [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (400,), (120,), (84,), (10,)]


def test_shapes_of_alexnet_d2l() -> None:
    layers = (nn.Conv2d, nn.MaxPool2d, nn.Flatten, nn.Linear)
    maps = [
        (96, 54, 54),
        (96, 26, 26),
        (256, 26, 26),
        (256, 12, 12),
        (384, 12, 12),
        (384, 12, 12),
        (256, 12, 12),
    ]
    expected = [*maps, (256, 5, 5), (6400,), (4096,), (4096,), (10,)]
    assert outputs(on_meta("alexnet_d2l"), image("alexnet_d2l"), layers) == expected


def test_shapes_of_vgg11() -> None:
    shapes = outputs(on_meta("vgg11", num_classes=10), image("vgg11"), (nn.MaxPool2d, nn.Flatten, nn.Linear))
    maps = [(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)]
    assert shapes == [*maps, (25088,), (4096,), (4096,), (10,)]


def test_shapes_of_nin() -> None:
    network = on_meta("nin")
    parts = [*network.blocks, network.class_maps, network.pool, network.flatten]  # type: ignore[misc]
    shapes, x = [], image("nin")
    for part in parts:
        x = part(x)
        shapes.append(tuple(x.shape[1:]))
    maps = [(96, 54, 54), (96, 26, 26), (256, 26, 26), (256, 12, 12), (384, 12, 12), (384, 5, 5)]
    assert shapes == [*maps, (10, 5, 5), (10, 1, 1), (10,)]


def test_shapes_of_googlenet() -> None:
    shapes = outputs(on_meta("googlenet"), image("googlenet"), (nn.MaxPool2d, nn.Flatten, nn.Linear))
    # Inception blocks pool inside without changing the size: those are left out by their odd channel counts
    after_parts = [shapes[0], shapes[1], shapes[4], shapes[10], shapes[-2], shapes[-1]]
    assert after_parts == [(64, 24, 24), (192, 12, 12), (480, 6, 6), (832, 3, 3), (1024,), (10,)]


def test_shapes_of_resnet18_d2l() -> None:
    network, x = on_meta("resnet18_d2l"), image("resnet18_d2l", size=224)
    shapes = []
    for name in ("stem", "stage1", "stage2", "stage3", "stage4", "pool", "flatten", "classifier"):
        x = network.get_submodule(name)(x)
        shapes.append(tuple(x.shape[1:]))
    maps = [(64, 56, 56), (64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)]
    assert shapes == [*maps, (512, 1, 1), (512,), (10,)]


# a file's legend names one size and, where it builds several networks, the trail is of these
TRAILS = {
    **{name: (name,) for name in BOOK if not name.startswith("vgg")},
    **{
        name: (name,)
        for name in ("alexnet", "vgg11", "googlenet_bn", "resnet20", "resnet18_small", "densenet121")
    },
    "resnet18": ("resnet18", "resnet50"),
    "densenet_bc100": ("densenet_bc100",),
}


@pytest.mark.parametrize(("name", "built"), TRAILS.items(), ids=TRAILS)
def test_shape_trails_tell_the_truth(name: str, built: tuple[str, ...]) -> None:
    """Each shape that a comment states comes out of some layer, at the size that the file's legend states."""
    network = on_meta(name)
    legend = re.search(r"shapes for (\d+)×", inspect.getdoc(inspect.getmodule(type(network))) or "")
    side = int(legend.group(1)) if legend else model_entry(name).input_size
    source = inspect.getsource(type(network))
    comments = "\n".join(line.partition("#")[2] for line in source.splitlines())
    shapes = re.findall(r"(?<=N×)\d+(?:×\d+)*|\d+(?:×\d+){2}", comments.replace("K", "10"))
    written = {tuple(map(int, shape.split("×"))) for shape in shapes}
    found = {
        shape
        for other in built
        for shape in outputs(on_meta(other, num_classes=10), image(other, size=side), nn.Module)
    }
    found.add((network.embedding_size,))
    assert written <= found
    assert written or name in ("softmax", "mlp")

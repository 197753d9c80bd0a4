"""Collapsed to its top-level parts, a summary prints the lists of the book; its figures are the published ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convnets.inspection.cost.parts import top_level_parts
from convnets.inspection.cost.summary import inspect
from convnets.layers.blocks import DenseBlock, Inception, Residual, transition
from convnets.models.catalogue import create_model, list_models
from convnets.models.papers.googlenet import INCEPTION_ROWS

# "Output shapes after each top-level part, as the notes print them"
LISTS = {
    "lenet": (28, "6×28×28 6×14×14 16×10×10 16×5×5 400 120 84 10"),
    "alexnet_d2l": (
        224,
        "96×54×54 96×26×26 256×26×26 256×12×12 384×12×12 384×12×12 256×12×12 256×5×5 6400 4096 4096 10",
    ),
    "vgg11": (224, "64×112×112 128×56×56 256×28×28 512×14×14 512×7×7 25088 4096 4096 10"),
    "nin": (224, "96×54×54 96×26×26 256×26×26 256×12×12 384×12×12 384×5×5 10×5×5 10×1×1 10"),
    "googlenet": (96, "64×24×24 192×12×12 480×6×6 832×3×3 1024 10"),
    "resnet18_d2l": (224, "64×56×56 64×56×56 128×28×28 256×14×14 512×7×7 512×1×1 512 10"),
}
# parameters and MACs with 1 channel and 10 classes
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


def on_meta(name: str, **arguments: int) -> nn.Module:
    with torch.device("meta"):
        return create_model(name, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", LISTS)
def test_the_lists_of_the_book(name: str) -> None:
    side, shapes = LISTS[name]
    found = inspect(
        on_meta(name, in_channels=1, num_classes=10), (1, side, side), training=False, fields=False
    )
    title, header, *rows = found.text(depth=1).splitlines()
    column = header.index("output") + len("output")
    printed = [row[:column].split()[-1] for row in rows[: len(shapes.split())]]
    assert " ".join(printed) == shapes
    assert rows[len(printed)].endswith("with buffers)")  # the list ends there
    assert title == f"{name}, input 1×{side}×{side}"


@pytest.mark.parametrize("name", list_models())
def test_the_parts_add_up_to_the_whole(name: str) -> None:
    network = on_meta(name)
    found = inspect(network, training=False, fields=False)
    # that these are the published figures is for tests/models to say
    assert found.parameters == sum(weight.numel() for weight in network.parameters())
    parts = top_level_parts(found.network, found.layers)
    for field in ("parameters", "macs", "bias_operations", "norm_operations", "pooling_operations"):
        assert sum(getattr(part, field) for part in parts) == getattr(found, field)
    assert max(part.peak_bytes for part in parts) == found.peak_bytes
    assert len({part.name for part in parts}) == len(parts)


@pytest.mark.parametrize(("name", "figures"), BOOK.items(), ids=BOOK)
def test_the_books_networks(name: str, figures: tuple[int, int]) -> None:
    found = inspect(on_meta(name, in_channels=1, num_classes=10), training=False, fields=False)
    assert (found.parameters, found.macs) == figures


@pytest.mark.parametrize(
    ("module", "parameters", "macs"),
    [
        (Inception(*INCEPTION_ROWS["3a"]), 163_696, 128_049_152),
        (nn.Conv2d(192, 256, 3, padding=1), 442_624, 346_816_512),
        (nn.Conv2d(192, 256, 5, padding=2), 1_229_056, 963_379_200),
    ],
    ids=["Inception 3a", "conv 3×3", "conv 5×5"],
)
def test_why_inception_blocks_are_cheap(module: nn.Module, parameters: int, macs: int) -> None:
    found = inspect(module, (192, 28, 28), training=False, fields=False)
    assert (found.parameters, found.macs, found.output_shape) == (parameters, macs, (1, 256, 28, 28))


def test_blocks_of_the_book() -> None:
    x = torch.zeros(4, 3, 8, 8)
    dense = inspect(nn.Sequential(DenseBlock(2, 3, 10), transition(23, 10)), inputs=[x])
    assert [layer.output_shape for layer in dense.layers if layer.depth == 1] == [
        (4, 23, 8, 8),
        (4, 10, 4, 4),
    ]
    x = torch.zeros(4, 3, 6, 6)
    assert inspect(Residual(3, 3), inputs=[x]).output_shape == (4, 3, 6, 6)
    assert inspect(Residual(3, 6, stride=2), inputs=[x]).output_shape == (4, 6, 3, 3)

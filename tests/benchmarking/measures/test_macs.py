"""Multiply-accumulates against PyTorch's own counter of operations."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from convnets.benchmarking.measures.macs import multiply_accumulates
from convnets.models.catalogue import create_model


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *(
            ("softmax", 28),
            ("lenet", 28),
            ("lenet_bn", 28),
            ("resnet20", 28),
            ("nin", 224),
            ("googlenet", 96),
        ),
        *(("alexnet", 224), ("resnet18_d2l", 96), ("densenet_d2l", 96), ("vgg11_quarter", 224)),
    ],
)
def test_every_layer_is_counted(name: str, size: int) -> None:
    with torch.device("meta"):
        network = create_model(name, in_channels=1, num_classes=10, input_size=size).eval()
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            network(torch.zeros(1, 1, size, size))
    assert multiply_accumulates(network, (1, size, size)) == counter.get_total_flops() / 2


def test_groups_and_kernels_that_are_not_square() -> None:
    layer = torch.nn.Conv2d(
        4, 8, kernel_size=(3, 5), stride=2, groups=2
    )  # 6×5 places, 2 channels into each map
    assert multiply_accumulates(layer, (4, 13, 14)) == 8 * 2 * 3 * 5 * 6 * 5

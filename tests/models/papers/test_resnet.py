"""Residual blocks: what the skip path does."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convnets.models.book.resnet_d2l import Residual
from convnets.models.catalogue import create_model
from convnets.models.papers.resnet import BasicBlock, Bottleneck
from convnets.models.papers.resnet_cifar import PlainSkipBlock


@pytest.mark.parametrize("block", [BasicBlock(8, 8), Bottleneck(32, 8), PlainSkipBlock(8, 8), Residual(8, 8)])
def test_a_block_that_adds_nothing_passes_its_input_on(block: nn.Module) -> None:
    for layer in block.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.zeros_(layer.weight)
    x = torch.rand(2, 32 if isinstance(block, Bottleneck) else 8, 5, 5)
    assert torch.equal(block.eval()(x), x)


def test_option_a_pads_with_zeros_and_takes_every_second_pixel() -> None:
    block = PlainSkipBlock(3, 8, stride=2)
    x = torch.rand(2, 3, 6, 6)
    skipped = block.skip(x)
    assert skipped.shape == (2, 8, 3, 3)
    for channel in range(8):
        for i in range(3):
            for j in range(3):
                expected = x[:, channel, 2 * i, 2 * j] if channel < 3 else torch.zeros(2)
                assert torch.equal(skipped[:, channel, i, j], expected)
    assert block(x).shape == (2, 8, 3, 3)


def test_bottlenecks_shrink_in_their_3x3_convolution() -> None:
    block = Bottleneck(16, 8, stride=2)
    assert [conv.stride for conv in (block.conv1, block.conv2, block.conv3)] == [(1, 1), (2, 2), (1, 1)]


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152, 20, 32, 44, 56, 110])
def test_depth_counts_convolutions_and_the_linear_layer(depth: int) -> None:
    with torch.device("meta"):
        network = create_model(f"resnet{depth}")
    layers = [
        key
        for key, m in network.named_modules()
        if isinstance(m, nn.Conv2d | nn.Linear) and "skip" not in key
    ]
    assert len(layers) == depth

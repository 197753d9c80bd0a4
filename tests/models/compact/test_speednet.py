"""SpeedNet: its size by hand, its pass through the layers by a float64 loop, and its computed filters."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.layers.initialization.whiten import whitening_filters
from convnets.models.catalogue import create_model
from convnets.models.compact.speednet import SpeedNet


def pictures(count: int = 32) -> Tensor:
    noise = torch.randn(count, 1, 30, 30, generator=torch.Generator().manual_seed(0))
    return F.avg_pool2d(noise, 3, stride=1) * 3


@pytest.mark.parametrize("widths", [(64, 128, 256), (16, 32, 64), (24, 96, 192, 384)])
def test_parameters_and_shapes(widths: tuple[int, ...]) -> None:
    network = SpeedNet(widths=widths)
    channels = (16, *widths)
    filters = 9 * sum(before * after for before, after in pairwise(channels))
    learned = filters + sum(widths) + 10 * widths[-1]  # filters, biases of batch norm, classifier
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == learned
    shapes: list[tuple[int, ...]] = []
    for block in (network.block0, network.block1, network.block2, network.block3):
        block.register_forward_hook(lambda _, __, out: shapes.append(tuple(out.shape[1:])))
    assert network(pictures()).shape == (32, 10)
    assert shapes == list(zip(channels[-4:], (13, 6, 3, 1), (13, 6, 3, 1), strict=True))


@pytest.mark.parametrize("widths", [[4, 6, 8], [5, 4, 6, 8]])
def test_logits_equal_the_formula_in_float64(widths: list[int]) -> None:
    network = create_model("speednet", widths=widths, seed=1).eval()
    assert isinstance(network, SpeedNet)
    images = pictures()
    network.initialize_from(images)
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)][1:]
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        for statistic, (low, high) in ((norm.running_mean, (-1, 1)), (norm.running_var, (0.5, 2))):
            assert statistic is not None
            statistic.uniform_(low, high)
        nn.init.normal_(norm.bias)
    filters = whitening_filters(images, 3, 8).double()
    x = images.double()
    x = F.conv2d(x, filters)
    x = torch.cat([x.clamp(min=0), (-x).clamp(min=0)], dim=1)
    if len(widths) == 3:
        x = x.unfold(2, 2, 2).unfold(3, 2, 2).amax((4, 5))
    for convolution, norm in zip(convolutions, norms, strict=True):
        x = F.conv2d(x, convolution.weight.double(), padding=1)
        x = (
            x.amax((2, 3), keepdim=True)
            if x.shape[-1] == 3
            else x.unfold(2, 2, 2).unfold(3, 2, 2).amax((4, 5))
        )
        assert norm.running_mean is not None
        assert norm.running_var is not None
        shift, spread = norm.running_mean.double(), (norm.running_var.double() + 1e-5).sqrt()
        x = (x - shift.view(1, -1, 1, 1)) / spread.view(1, -1, 1, 1) + norm.bias.double().view(1, -1, 1, 1)
        x = x.clamp(min=0)
    logits = x.flatten(1) @ network.classifier.weight.double().T
    torch.testing.assert_close(network(images).double(), logits, atol=1e-5, rtol=1e-4)


def test_filters_are_computed_once() -> None:
    network = SpeedNet()
    network.initialize_from(pictures())
    kept = network.whitening.weight.clone()
    network.initialize_from(2 * pictures())
    assert torch.equal(network.whitening.weight, kept)
    again = SpeedNet()
    again.load_state_dict(network.state_dict())
    again.initialize_from(2 * pictures())
    assert torch.equal(again.whitening.weight, kept)


def test_training_leaves_filters_and_scales_alone() -> None:
    network = SpeedNet()
    network.initialize_from(pictures())
    network(pictures()).square().sum().backward()
    learning = {name for name, p in network.named_parameters() if p.grad is not None}
    assert learning == {
        "classifier.weight",
        *(f"block{n}.{key}" for n in (1, 2, 3) for key in ("0.weight", "2.bias")),
    }

"""The summary counts what is there and leaves the network as it was."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convnets.errors import InputError
from convnets.inspection.summary import summarise
from convnets.models.catalogue import create_model


def test_lenet_has_the_shapes_and_parameters_of_the_book() -> None:
    found = summarise(create_model("lenet"), (1, 28, 28))
    shapes = [
        layer.output_shape[1:] for layer in found.layers if layer.kind in ("Conv2d", "AvgPool2d", "Linear")
    ]
    assert shapes == [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120,), (84,), (10,)]
    assert found.parameters == 61_706
    assert sum(layer.parameters for layer in found.layers) == 61_706


def test_nothing_is_allocated_on_the_meta_device() -> None:
    with torch.device("meta"):
        network = create_model("vgg19")
    assert summarise(network, (3, 224, 224)).parameters == 143_667_240


def test_the_network_is_left_as_found() -> None:
    network = create_model("lenet_bn")
    network.train()
    network[0].eval() if isinstance(network, nn.Sequential) else network.classifier.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    summarise(network, (1, 28, 28))
    assert [module.training for module in network.modules()] == modes
    assert not any(module._forward_hooks for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_hooks_are_gone_even_when_the_network_fails() -> None:
    network = create_model("lenet")
    with pytest.raises(InputError):
        summarise(network, (3, 28, 28))
    assert not any(module._forward_hooks for module in network.modules())
    assert network.training


def test_frozen_parameters_are_told_apart() -> None:
    network = create_model("mlp")
    next(network.parameters()).requires_grad_(False)
    found = summarise(network, (1, 28, 28))
    assert found.parameters - found.trainable_parameters == 784 * 256
    assert "of them trainable" in str(found)


def test_an_input_shape_without_channels_is_refused() -> None:
    with pytest.raises(InputError, match="C×H×W"):
        summarise(nn.Flatten(), (28, 28))

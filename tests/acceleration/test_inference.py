"""The inference twin against the network in evaluation mode, with statistics and weights that tell them apart."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from convnets.acceleration.inference import for_inference
from convnets.models.catalogue import create_model

NETWORKS = [
    ("mlp", 28),
    ("lenet", 28),
    ("lenet_bn", 28),
    ("alexnet_d2l", 96),
    ("vgg11_quarter", 64),
    ("nin", 96),
    ("googlenet", 64),
    ("googlenet_bn", 64),
    ("resnet18_d2l", 64),
    ("resnet50", 32),
    ("resnet20", 28),
    ("densenet_d2l", 64),
    ("densenet_bc100", 16),
]


def trained(name: str, side: int) -> nn.Module:
    """A network whose batch norms have learned something: neither 0, nor 1."""
    network = create_model(name, in_channels=1, num_classes=10, input_size=side, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                    assert tensor is not None
                    tensor.add_(0.2 * torch.rand(tensor.shape, generator=generator))
    return network.eval()


@pytest.mark.parametrize(("name", "side"), NETWORKS)
def test_the_twin_gives_the_same_logits(name: str, side: int) -> None:
    network = trained(name, side)
    before = copy.deepcopy(network.state_dict())
    images = torch.rand(3, 1, side, side, generator=torch.Generator().manual_seed(3))
    twin = for_inference(network)
    with torch.inference_mode():
        expected = network(images)
        torch.testing.assert_close(twin(images), expected, rtol=1e-3, atol=1e-4)
        rough = for_inference(network, torch.bfloat16)(images)
    assert rough.dtype is torch.float32
    assert float((rough - expected).norm()) < 0.03 * float(expected.norm())
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_batch_norm_behind_layers_is_folded_and_dropout_gone() -> None:
    twin = for_inference(trained("resnet50", 32))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in twin.modules())
    assert not any(isinstance(module, nn.Dropout) for module in for_inference(trained("nin", 96)).modules())
    assert not any(
        isinstance(module, nn.BatchNorm1d) for module in for_inference(trained("lenet_bn", 28)).modules()
    )


def test_a_layer_that_is_used_twice_is_not_folded() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.norm = nn.Conv2d(1, 1, 3, padding=1), nn.BatchNorm2d(1)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(self.norm(self.layer(x)))

    Twice.__module__ = "convnets.test"  # passes as one of ours
    network = Twice().eval()
    assert network.norm.running_mean is not None
    network.norm.running_mean.fill_(0.3)
    images = torch.rand(2, 1, 6, 6)
    with torch.inference_mode():
        torch.testing.assert_close(for_inference(network)(images), network(images))


def test_what_cannot_be_traced_or_is_double_comes_back_itself() -> None:
    class Own(nn.Linear):
        pass

    for network in (nn.Sequential(Own(2, 2)), nn.Sequential(nn.Linear(2, 2)).double()):
        assert for_inference(network) is network

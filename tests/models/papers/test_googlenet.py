"""GoogLeNet's auxiliary heads; its blocks and shapes are tested beside those of the other networks."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from convnets.errors import InputError, UsageError
from convnets.models.catalogue import create_model
from convnets.models.papers.googlenet import AuxiliaryHead, GoogLeNet
from convnets.models.papers.googlenet_bn import GoogLeNetBatchNorm


def googlenet(**arguments: int) -> GoogLeNet:
    network = create_model("googlenet", auxiliary=True, seed=0, **arguments).eval()
    assert isinstance(network, GoogLeNet)
    return network


def test_a_head_is_the_papers() -> None:
    """5×5 average pooling with stride 3, 128 1×1 convolutions, 1024 hidden units, computed once more by hand."""
    head = AuxiliaryHead(512, 1000, side=4).eval()
    x = torch.rand(2, 512, 14, 14)
    conv_weight, conv_bias, weight, bias, last_weight, last_bias = head.parameters()
    assert conv_weight.shape == (128, 512, 1, 1)
    assert weight.shape == (1024, 2048)
    pooled = torch.stack(
        [x[:, :, i : i + 5, j : j + 5].mean((2, 3)) for i in (0, 3, 6, 9) for j in (0, 3, 6, 9)], 2
    )
    maps = torch.einsum("oc,ncp->nop", conv_weight[:, :, 0, 0], pooled) + conv_bias[None, :, None]
    hidden = F.relu(F.relu(maps).flatten(1) @ weight.T + bias)
    torch.testing.assert_close(head(x), hidden @ last_weight.T + last_bias, rtol=1e-4, atol=1e-5)
    assert [layer.p for layer in head if isinstance(layer, torch.nn.Dropout)] == [0.7]


def test_three_logits_of_which_the_first_is_forward() -> None:
    network, x = googlenet(num_classes=7), torch.rand(2, 1, 96, 96)
    logits, first, second = network.forward_with_auxiliary(x)
    assert torch.equal(logits, network(x))
    assert logits.shape == first.shape == second.shape == (2, 7)


def test_heads_look_at_blocks_4a_and_4d() -> None:
    """The gradient of the first head ends at block 4a, that of the second at 4d."""
    network = googlenet()
    _, first, second = network.forward_with_auxiliary(torch.rand(2, 1, 96, 96))
    reached = []
    for head in (first, second):
        network.zero_grad()
        head.sum().backward(retain_graph=True)
        blocks = network.inception.named_children()
        reached.append(
            [name for name, block in blocks if any(p.grad is not None for p in block.parameters())]
        )
    assert reached == [["3a", "3b", "4a"], ["3a", "3b", "4a", "4b", "4c", "4d"]]


def test_heads_fix_the_size_that_they_are_trained_at() -> None:
    network = googlenet(input_size=224)
    assert network.auxiliary1[4].in_features == 2048
    assert network(torch.rand(1, 1, 64, 64)).shape == (1, 10)
    with pytest.raises(InputError, match=r"got 64×64 pixels; built for 209 to 256 pixels; use input_size="):
        network.forward_with_auxiliary(torch.rand(1, 1, 64, 64))


def test_bad_images_are_explained_before_the_heads_look() -> None:
    with pytest.raises(InputError, match="C×H×W"):
        googlenet().forward_with_auxiliary(torch.rand(1, 96, 96))
    with pytest.raises(InputError, match="got list"):
        googlenet().forward_with_auxiliary([[1.0]])  # type: ignore[arg-type]


def test_without_heads_the_remedy_is_named() -> None:
    for name in ("googlenet", "googlenet_bn"):
        network = create_model(name, num_classes=3)
        assert isinstance(network, GoogLeNet | GoogLeNetBatchNorm)
        assert not any(key.startswith("auxiliary") for key in network.state_dict())
        with pytest.raises(UsageError, match=f"{name} was built without .*auxiliary=True"):
            network.forward_with_auxiliary(torch.rand(2, network.in_channels, 96, 96))


def test_parameters_with_heads() -> None:
    """At 224 pixels: 128 · C + 128 of the 1×1, 2048 · 1024 + 1024, 1024 · K + K, for C = 512 and 528."""
    heads = sum(128 * c + 128 + 2048 * 1024 + 1024 + 1024 * 10 + 10 for c in (512, 528))
    assert sum(p.numel() for p in googlenet(input_size=224).parameters()) == 5_977_530 + heads

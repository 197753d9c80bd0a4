"""Slim networks compute what zeroed ones do; MACs are those that a slim network has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from convnets.checkpoints.model_folder import TrainedModel, load_model, save_model
from convnets.errors import ConfigError, InputError
from convnets.explanation.ablation.ablate import ablate
from convnets.explanation.ablation.channel_path import channel_path, macs_without
from convnets.explanation.ablation.parts import Part
from convnets.explanation.ablation.pruning import what_if_pruned
from convnets.explanation.ablation.slimming import slim_network
from convnets.explanation.capture.calls import find_calls
from convnets.explanation.capture.layers import choose_layers
from convnets.explanation.capture.watch import watch
from convnets.inspection.cost.summary import inspect
from convnets.models.catalogue import create_model


@pytest.mark.parametrize(
    ("name", "layer", "image", "switch", "readers"),
    [
        ("lenet_bn", "convolutions.0", (1, 28, 28), "convolutions.3", ("convolutions.4",)),
        ("lenet_bn", "convolutions.4", (1, 28, 28), "convolutions.7", ("hidden.1",)),
        ("lenet", "hidden.1", (1, 28, 28), "hidden.2", ("hidden.3",)),
        ("vgg11_quarter", "blocks.0.0", (1, 64, 64), "blocks.0.2", ("blocks.1.0",)),
        ("resnet18_small", "stage2.0.conv1", (1, 28, 28), "stage2.0.bn1", ("stage2.0.conv2",)),
        ("nin", "blocks.0.0", (1, 96, 96), "blocks.0.1", ("blocks.0.2",)),
    ],
)
def test_a_slim_network_is_the_zeroed_one(
    name: str, layer: str, image: tuple[int, ...], switch: str, readers: tuple[str, ...]
) -> None:
    network = create_model(name, in_channels=1, num_classes=10, input_size=image[1], seed=0).double().eval()
    for module in network.modules():  # statistics and scales that are not the trivial ones
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            nn.init.uniform_(module.running_mean)
            nn.init.uniform_(module.bias)
    path = channel_path(network, layer, image)
    assert (path.switch, path.readers) == (switch, readers)
    removed = [0, path.channels // 2, path.channels - 1]
    x = torch.rand(2, *image, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    call = choose_layers(find_calls(network, x[:1]), [switch])[0]

    def without(output: torch.Tensor) -> torch.Tensor:
        output[:, removed] = 0
        return output

    with watch(network, changes={call: without}) as watching:
        expected = watching.run(x).logits
    before = {key: value.clone() for key, value in network.state_dict().items()}
    small = slim_network(network, layer, removed, image)
    with torch.no_grad():
        assert torch.allclose(small(x), expected, atol=1e-10, rtol=1e-9)
    assert not torch.allclose(expected, network(x).detach(), rtol=0, atol=1e-14)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    whole, left = macs_without(network, path, image, len(removed))
    assert (whole, left) == (inspect(network, image).macs, inspect(small, image).macs)
    assert not small.training
    small.train()(x).sum().backward()  # it trains like any


def test_layers_whose_channels_cannot_be_taken_out() -> None:
    resnet = create_model("resnet18_small", in_channels=1, num_classes=10, seed=0)
    with pytest.raises(InputError, match="added to or laid beside"):
        slim_network(resnet, "stage2.0.conv2", [0], (1, 28, 28))
    with pytest.raises(InputError, match="no Conv2d of one group"):
        channel_path(resnet, "stage2.0.bn1", (1, 28, 28))
    lenet = create_model("lenet", in_channels=1, num_classes=10, seed=0)
    with pytest.raises(InputError, match=r"channels \[6\]"):
        slim_network(lenet, "convolutions.0", [6], (1, 28, 28))
    with pytest.raises(InputError, match="but not all"):
        slim_network(lenet, "convolutions.0", range(6), (1, 28, 28))
    with pytest.raises(InputError, match="7 of 6 channels"):
        macs_without(lenet, channel_path(lenet, "convolutions.0", (1, 28, 28)), (1, 28, 28), 7)
    normed = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 3, 3)), nn.Conv2d(3, 2, 3))
    with pytest.raises(InputError, match="remove the parametrization first"):
        slim_network(normed, "0", [1], (1, 8, 8))


class Shifted(nn.Module):
    """A sigmoid as a function after the last module: zeros do not stay zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 2, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.sigmoid(self.first(x))).flatten(1)


def test_what_makes_something_else_of_a_zero_is_named() -> None:
    with pytest.raises(InputError, match="makes something else of a zero"):
        channel_path(Shifted(), "first", (1, 8, 8))


def test_the_curve_falls_from_the_cheapest_on(planted: Any, tmp_path: Path) -> None:
    model, images = planted.model, planted.data.test
    found = what_if_pruned(model.network, images, model.preprocess, "4", steps=4)
    counts = [len(point.removed) for point in found.points]
    assert counts == [0, 6, 8, 12, 18, 24]
    assert found.points[0].change == 0
    macs = [point.macs for point in found.points]
    assert macs == sorted(macs, reverse=True)
    assert found.at(0.25).removed == found.order[:8]
    path = channel_path(model.network, "4", (1, 8, 8))
    worst = ablate(model.network, images, model.preprocess, [Part(path.switch, found.order[-6:])]).effects[0]
    assert found.at(0.2).change > worst.change  # the dearest ones cost more than the cheapest
    small = slim_network(model.network, "4", found.points[2].removed, (1, 8, 8))
    with torch.no_grad():
        right = small.eval()(model.preprocess(images.pixels)).argmax(1) == images.labels
    assert found.points[2].accuracy == pytest.approx(float(right.double().mean()), abs=1 / 360 + 1e-9)
    found.save(tmp_path / "curve.png")
    assert len(json.loads(json.dumps(found.to_dict()))["points"]) == 6
    with pytest.raises(ConfigError, match="steps is 0"):
        what_if_pruned(model.network, images, model.preprocess, "4", steps=0)


def test_a_slim_network_is_saved_and_read_again(planted: Any, tmp_path: Path) -> None:
    model = planted.model
    small = slim_network(model.network, "4", [0, 1, 2, 3, 4, 5, 6, 7], (1, 8, 8))
    save_model(tmp_path / "small", TrainedModel(small, model.classes, model.preprocess))
    empty = slim_network(model.network, "4", range(8), (1, 8, 8))
    for weight in empty.parameters():
        nn.init.zeros_(weight)
    again = load_model(tmp_path / "small", network=empty)
    x = model.preprocess(planted.data.test.pixels[:5])
    with torch.no_grad():
        assert torch.equal(again.network(x), small.eval()(x))
    assert (tmp_path / "small" / "model.safetensors").stat().st_size < sum(
        weight.nbytes for weight in model.network.parameters()
    )

"""The arithmetic of a unit, against the layer's own output in float64."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from convnets.errors import InputError, UnknownNameError
from convnets.explanation.inside.unit_arithmetic import unit_arithmetic
from convnets.models.catalogue import create_model


def image(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


# PyTorch says so of even kernels; the padding is what is to be right
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": 2},
        {"stride": 2, "padding": 1},
        {"dilation": 2, "padding": "same"},
        {"kernel_size": 4, "padding": "same"},
        {"kernel_size": (3, 1), "stride": (1, 2), "padding": (0, 1), "bias": False},
        {"groups": 2, "padding": "valid"},
        {"groups": 4},
        {"padding": 1, "padding_mode": "reflect"},
        {"padding": 2, "padding_mode": "circular", "stride": 3},
    ],
)
def test_every_kind_of_convolution_gives_the_sum(options: dict[str, object]) -> None:
    torch.manual_seed(1)
    layer = nn.Conv2d(4, 8, **{"kernel_size": 3, **options}).double()  # type: ignore[arg-type]
    network = nn.Sequential(nn.Identity(), layer).double()
    x = image(1, 4, 9, 11)
    maps = layer(x)[0].detach()
    channels, rows, columns = maps.shape
    for channel, row, column in [
        (0, 0, 0),
        (channels - 1, rows - 1, columns - 1),
        (3, rows // 2, columns // 2),
    ]:
        found = unit_arithmetic(network, x, "1", channel, row, column)
        assert found.total == pytest.approx(float(maps[channel, row, column]), abs=1e-12)
        assert found.given == float(maps[channel, row, column])
        assert found.products.shape == (4 // layer.groups,)
        assert found.channels[0] == channel // (8 // layer.groups) * (4 // layer.groups)
    first = unit_arithmetic(
        network, x, "1", 7, 1, 1
    )  # one channel alone, by a layer that has only its weights
    alone = x.clone()
    alone[:, [c for c in range(4) if c != first.channels[-1]]] = 0
    without_bias = float(layer(alone).detach()[0, 7, 1, 1]) - (first.bias or 0.0)
    assert first.products[-1] == pytest.approx(without_bias, abs=1e-12)


def test_batch_norm_and_activation_follow() -> None:
    network = create_model("lenet_bn", in_channels=1, num_classes=10, seed=0).double().eval()
    x = image(1, 28, 28)
    found = unit_arithmetic(network, x, "convolutions.4", 3, 4, 5)
    with torch.no_grad():
        before = network.convolutions[:5](x[None])[0, 3, 4, 5]
        normed = network.convolutions[:6](x[None])[0, 3, 4, 5]
        active = network.convolutions[:7](x[None])[0, 3, 4, 5]
    assert found.total == pytest.approx(float(before), abs=1e-12)
    assert [kind for _, kind, _ in found.then] == ["BatchNorm2d", "Sigmoid"]
    assert [value for _, _, value in found.then] == pytest.approx([float(normed), float(active)], abs=1e-12)
    assert len(str(found).splitlines()) == 1 + 6 + 2 + 2


def test_a_linear_layer_and_weights_that_are_computed() -> None:
    network = create_model("lenet", in_channels=1, num_classes=10, seed=0).double().eval()
    x = image(1, 28, 28)
    found = unit_arithmetic(network, x, "classifier", 7)
    assert found.total == pytest.approx(float(network(x[None]).detach()[0, 7]), abs=1e-12)
    assert found.unit == (7,)
    normed = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 2, 3))).double()
    assert unit_arithmetic(normed, x, "0", 1, 5, 6).total == pytest.approx(
        float(normed(x[None]).detach()[0, 1, 5, 6]), abs=1e-12
    )


def test_as_found_and_as_pictures(tmp_path: Path) -> None:
    network = create_model("resnet18_small", in_channels=1, num_classes=10, seed=0).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    found = unit_arithmetic(network, image(1, 1, 28, 28).float(), "stage2.0.conv1", 5, 2, 3)
    assert found.total == pytest.approx(found.given, abs=1e-4)
    assert all(module.training for module in network.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert found.save(tmp_path / "unit.svg").read_text().count(">channel ") == 12
    assert json.loads(json.dumps(found.to_dict()))["unit"] == [5, 2, 3]


def test_what_is_not_there_is_refused() -> None:
    network = create_model("lenet", in_channels=1, num_classes=10, seed=0)
    with pytest.raises(UnknownNameError, match=r"unknown convolution or linear layer 'convolutions\.1'"):
        unit_arithmetic(network, image(1, 28, 28), "convolutions.1", 0)
    with pytest.raises(InputError, match="its map is 6×28×28"):
        unit_arithmetic(network, image(1, 28, 28), "convolutions.0", 6, 0, 0)
    with pytest.raises(InputError, match="one image"):
        unit_arithmetic(network, image(2, 1, 28, 28), "convolutions.0", 0)
    twice = nn.Sequential(shared := nn.Conv2d(1, 1, 1), nn.ReLU(), shared)
    with pytest.raises(InputError, match="called 2 times"):
        unit_arithmetic(twice, image(1, 5, 5).float(), "0", 0)

"""What depends on classes and channels, against what the networks' own definitions say."""

from __future__ import annotations

import pytest
from torch import nn

from convnets.models.catalogue import create_model
from convnets.models.ends import channel_dependent, class_dependent, last_layer


@pytest.mark.parametrize(
    ("name", "last", "first"),
    [
        ("resnet20", {"classifier.weight", "classifier.bias"}, {"stem.0.weight"}),
        ("vgg11", {"classifier.weight", "classifier.bias"}, {"blocks.0.0.weight", "blocks.0.0.bias"}),
        ("softmax", {"classifier.weight", "classifier.bias"}, {"classifier.weight"}),
        ("mlp", {"classifier.weight", "classifier.bias"}, {"hidden.1.weight"}),
    ],
)
def test_ends_of_networks_of_the_catalogue(name: str, last: set[str], first: set[str]) -> None:
    network = create_model(name)
    assert class_dependent(network) == last
    assert {each for each in channel_dependent(network) if each.endswith("weight")} == {
        each for each in first if each.endswith("weight")
    }


def test_nin_has_no_linear_layer_and_all_of_its_last_block_depends_on_the_classes() -> None:
    network = create_model("nin")
    convolutions = [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d) and module.out_channels == 10
    ]
    assert len(convolutions) == 3
    assert class_dependent(network) == {f"{n}.{kind}" for n in convolutions for kind in ("weight", "bias")}


def test_auxiliary_heads_depend_on_the_classes_in_their_last_layer_alone() -> None:
    found = class_dependent(create_model("googlenet", auxiliary=True))
    assert len(found) == 6
    assert {name.partition(".")[0] for name in found} == {"classifier", "auxiliary1", "auxiliary2"}


def test_last_layer_of_a_network_of_ones_own() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))
            self.body = nn.Conv2d(1, 3, 3)

    assert last_layer(Own()) == "head.2"
    assert class_dependent(Own()) == {"head.2.weight", "head.2.bias"}
    plain = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2), nn.ReLU())
    assert (last_layer(plain), channel_dependent(plain)) == ("3", {"0.weight", "0.bias"})
    assert class_dependent(nn.Linear(2, 2)) == {"weight", "bias"}

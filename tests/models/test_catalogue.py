"""Networks by name: lists, arguments, seeds, and what a network remembers."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from convnets.errors import ConfigError, UnknownNameError
from convnets.models.catalogue import create_model, list_models, model_entry
from convnets.models.contract import ImageClassifier

BOOK = [
    "softmax",
    "mlp",
    "lenet",
    "lenet_bn",
    "alexnet_d2l",
    "vgg11_quarter",
    "nin",
    "googlenet",
    "resnet18_d2l",
]


def on_meta(name: str, **arguments: Any) -> ImageClassifier:
    with torch.device("meta"):
        return create_model(name, **arguments)


def test_patterns() -> None:
    assert list_models("vgg*_bn") == ["vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"]
    assert list_models("nothing*") == []
    assert len(list_models()) == len(set(list_models())) == 41


def test_listing_needs_no_torch() -> None:
    code = "import sys, convnets.models.catalogue as c; c.list_models(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", list_models())
def test_entries_tell_the_truth(name: str) -> None:
    entry, network = model_entry(name), on_meta(name)
    assert (network.in_channels, network.num_classes) == (entry.in_channels, entry.num_classes)
    assert (network.input_size is not None) == entry.fixed_size
    assert network.architecture is not None
    assert network.architecture.name == name
    expected = (
        (1, 1 if name == "linear" else 10)
        if name in [*BOOK, "densenet_d2l", "speednet", "linear", "lenet1d", "resnet1d", "tcn"]
        else (3, 10 if entry.input_size == 32 else 1000)
    )
    assert (entry.in_channels, entry.num_classes) == expected
    documentation = inspect.getdoc(type(network)) or ""
    for part in ("Paper: ", "Idea: ", "Input: ", "Differs from the paper: ", str(entry.year)):
        assert part in documentation
    assert entry.paper.split(",")[0].split(" ")[0] in documentation


@pytest.mark.parametrize("name", list_models())
def test_a_network_is_rebuilt_from_what_it_remembers(name: str) -> None:
    options: dict[str, Any] = {
        "dropout": 0.25,
        "auxiliary": True,
        "widths": [8, 16, 24],
        "width": 0.5,
        "last_relu": False,
        "activation": "tanh",
        "batch_norm": True,
    }
    given = {key: options[key] for key in model_entry(name).options}
    network = on_meta(name, in_channels=2, num_classes=4, input_size=224, seed=3, **given)
    assert network.architecture is not None
    arguments = json.loads(json.dumps(network.architecture.arguments))
    assert "seed" not in arguments
    again = on_meta(network.architecture.name, **arguments)
    assert again.architecture == network.architecture
    assert str(again) == str(network)
    shapes = [{key: value.shape for key, value in n.state_dict().items()} for n in (network, again)]
    assert shapes[0] == shapes[1]


def test_copies_remember_as_well() -> None:
    network = create_model("lenet", num_classes=4, seed=0)
    for copied in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert copied.architecture == network.architecture
        assert copied.input_size == 28


def test_what_was_changed_is_not_rebuilt_as_it_was() -> None:
    """Its weights would fit into the catalogue's network, which computes something else."""
    changed = create_model("lenet")
    changed.convolutions[1] = nn.ReLU()
    pooled = create_model("lenet")
    pooled.convolutions[2].kernel_size = 3
    for network in (changed, pooled, copy.deepcopy(changed)):
        assert network.architecture is None
    trained = create_model("lenet")
    with torch.no_grad():
        trained.classifier.weight.zero_()
    assert trained.eval().requires_grad_(False).architecture is not None


def test_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown network 'resnet81'; nearest: .*resnet18"):
        create_model("resnet81")
    with pytest.raises(UnknownNameError, match=r"allowed: linear, softmax, mlp.*convnets models"):
        model_entry("?")


BAD_ARGUMENTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown option": (
        "lenet",
        {"drop": 0.1},
        "lenet has no option 'drop'; allowed: in_channels, num_classes",
    ),
    "option of others": ("resnet18", {"auxiliary": True}, "resnet18 has no option 'auxiliary'"),
    "auxiliary": ("googlenet", {"auxiliary": 1}, "auxiliary is 1; allowed: True or False"),
    "last relu": ("nin", {"last_relu": "no"}, "last_relu is 'no'; allowed: True or False"),
    "dropout of 1": ("alexnet", {"dropout": 1.0}, "dropout is 1.0"),
    "dropout nan": ("alexnet", {"dropout": float("nan")}, "dropout is nan"),
    "dropout bool": ("alexnet", {"dropout": True}, "dropout is True"),
    "no channels": ("lenet", {"in_channels": 0}, "in_channels is 0"),
    "no classes": ("lenet", {"num_classes": -1}, "num_classes is -1"),
    "text": ("lenet", {"num_classes": "10"}, "num_classes is '10'"),
    "size": ("lenet", {"input_size": 11}, "input_size is 11; lenet needs at least 12 pixels"),
    "size of any": ("densenet121", {"input_size": 28}, "needs at least 29 pixels"),
    "size text": ("lenet", {"input_size": 28.0}, "input_size is 28.0"),
    "two spellings": ("lenet", {"in_channels": 1, "in_chans": 3}, "in_channels is 1 and in_chans 3"),
    "two dropouts": (
        "nin",
        {"dropout": 0.2, "drop_rate": 0.3},
        "dropout is 0.2 and drop_rate 0.3; they mean the same",
    ),
    "drop_rate": ("nin", {"drop_rate": 1.0}, "dropout is 1.0; allowed: a probability"),
    "no dropout": ("lenet", {"drop_rate": 0.1}, "lenet has no option 'dropout'"),
    "seed": ("lenet", {"seed": 1.5}, "seed is 1.5"),
    "widths": ("speednet", {"widths": [8, 16]}, r"widths is \[8, 16\]; allowed: three or four whole numbers"),
    "width": ("speednet", {"widths": [8, 16, 0]}, "allowed: three or four whole numbers from 1"),
    "hidden": ("mlp", {"widths": [8, 0]}, r"widths is \[8, 0\]; allowed: one or more whole numbers"),
    "no hidden": ("mlp", {"widths": []}, r"widths is \[\]"),
    "batch norm": ("mlp", {"batch_norm": 1}, "batch_norm is 1; allowed: True or False"),
    "auxiliary size": ("googlenet", {"auxiliary": True, "input_size": 64}, "needs at least 65 pixels"),
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS, ids=list(BAD_ARGUMENTS))
def test_bad_arguments_are_refused(case: str) -> None:
    name, arguments, message = BAD_ARGUMENTS[case]
    with pytest.raises(ConfigError, match=message) as caught:
        create_model(name, **arguments)
    assert "\n" not in str(caught.value)


def test_in_chans_is_in_channels() -> None:
    assert create_model("lenet", in_chans=2).in_channels == 2
    assert create_model("lenet", in_chans=2, in_channels=2).in_channels == 2


def test_drop_rate_is_dropout_and_is_remembered_as_such() -> None:
    network = create_model("nin", drop_rate=0.25)
    assert [module.p for module in network.modules() if type(module).__name__ == "Dropout"][-1] == 0.25
    assert network.architecture is not None
    assert network.architecture.arguments["dropout"] == 0.25
    assert "drop_rate" not in network.architecture.arguments


def test_dropout_reaches_the_layers() -> None:
    for name in [n for n in list_models() if "dropout" in model_entry(n).options]:
        network = on_meta(name, dropout=0.125)
        rates = {layer.p for layer in network.modules() if isinstance(layer, torch.nn.Dropout)}
        assert rates == {0.125}


def test_a_seed_decides_the_weights_and_nothing_else() -> None:
    torch.manual_seed(5)
    first = create_model("resnet20", seed=1)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), drawn)
    torch.manual_seed(6)
    again, other = create_model("resnet20", seed=1), create_model("resnet20", seed=2)
    same = [torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(first.get_parameter("stem.0.weight"), other.get_parameter("stem.0.weight"))


def test_without_a_seed_the_weights_come_from_the_callers_random_numbers() -> None:
    torch.manual_seed(5)
    first = create_model("lenet")
    assert not torch.equal(
        first.get_parameter("classifier.weight"), create_model("lenet").get_parameter("classifier.weight")
    )
    torch.manual_seed(5)
    assert torch.equal(
        first.get_parameter("classifier.weight"), create_model("lenet").get_parameter("classifier.weight")
    )


def test_deep_networks_start_with_signals_that_live() -> None:
    """He's initialization keeps the spread of the images through 19 layers without batch norm."""
    network = create_model("vgg19", num_classes=10, seed=0).eval()
    x = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert 0.1 < float(network.features(x).std()) < 10

"""Listing and finding parameters: against what the network itself says."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from convnets.errors import UnknownNameError, UsageError
from convnets.inspection.parameters.listing import (
    find_parameters,
    list_parameters,
    matching_names,
    shared_parameters,
)
from convnets.models.catalogue import create_model


def test_the_listing_is_what_is_there() -> None:
    network = create_model("resnet18", seed=0)
    listing = list_parameters(network)
    assert listing.network == "resnet18"
    assert listing.count == listing.trainable_count == 11_689_512
    assert [each.name for each in listing.parameters] == [name for name, _ in network.named_parameters()]
    first = listing.parameters[0]
    weight = network.get_parameter(first.name).detach()
    assert first.shape == tuple(weight.shape)
    assert first.layer == "Conv2d"
    assert first.norm == pytest.approx(math.sqrt(sum(float(w) ** 2 for w in weight.flatten())))


def test_patterns() -> None:
    network = create_model("lenet")
    weights = ["convolutions.0.weight", "convolutions.3.weight"]
    assert list(find_parameters(network, "convolutions.*.weight")) == weights
    assert list(find_parameters(network, "convolutions.[03].weight")) == weights
    assert matching_names(network, "classifier") == ["classifier.weight", "classifier.bias"]
    assert matching_names(network, "hidden.?") == [
        f"hidden.{i}.{kind}" for i in (1, 3) for kind in ("weight", "bias")
    ]
    assert matching_names(network, "*.bias", "classifier.weight")[-2:] == [
        "classifier.weight",
        "classifier.bias",
    ]
    assert len(matching_names(network, "*")) == 10
    assert list_parameters(network, "convolutions").count == 6 * 26 + 16 * 151
    with pytest.raises(UnknownNameError, match="unknown parameter 'clasifier'; nearest: classifier"):
        matching_names(network, "*.bias", "clasifier")


def test_shared_parameters_are_counted_once_and_found() -> None:
    layer = nn.Linear(4, 4)
    network = nn.Sequential(layer, nn.ReLU(), layer, nn.Linear(4, 2))
    assert shared_parameters(network) == (("0.weight", "2.weight"), ("0.bias", "2.bias"))
    listing = list_parameters(network)
    assert listing.count == sum(p.numel() for p in network.parameters()) == 30
    assert listing.parameters[0].also == ("2.weight",)
    assert "shared with 2.weight" in str(listing)
    assert list_parameters(network, "2").parameters[0].name == "0.weight"


def test_parameters_over_the_same_memory_are_found() -> None:
    one, two = nn.Linear(4, 4), nn.Linear(4, 4)
    two.weight = nn.Parameter(one.weight.data)
    network = nn.Sequential(one, two)
    assert shared_parameters(network) == (("0.weight", "1.weight"),)
    assert shared_parameters(create_model("lenet")) == ()
    with torch.device("meta"):
        assert shared_parameters(create_model("lenet")) == ()


def test_exports(tmp_path: Path) -> None:
    network = create_model("lenet")
    network.classifier.requires_grad_(False)
    listing = list_parameters(network)
    rows = list(csv.DictReader(io.StringIO(listing.write(tmp_path / "list.csv").read_text())))
    assert sum(int(row["count"]) for row in rows) == 61_706
    assert [row["name"] for row in rows if row["trainable"] == "0"] == [
        "classifier.weight",
        "classifier.bias",
    ]
    assert rows[0]["shape"] == "6×1×5×5"
    found = json.loads(listing.write(tmp_path / "list.json").read_text())
    assert found["count"] == 61_706
    assert found["trainable_count"] == 61_706 - 850
    assert found["parameters"][0]["shape"] == [6, 1, 5, 5]
    with pytest.raises(UsageError, match=r"list\.txt ends in '\.txt'; allowed: \.csv or \.json"):
        listing.write(tmp_path / "list.txt")
    assert str(listing).endswith("61,706 parameters, 850 of them frozen")
    assert "850 of them frozen" in listing._repr_html_()


def test_without_values() -> None:
    lazy = list_parameters(nn.Sequential(nn.LazyLinear(3)))
    assert (lazy.count, lazy.parameters[0].norm) == (0, None)
    with torch.device("meta"):
        assert list_parameters(create_model("vgg19")).count == 143_667_240


def test_the_table() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(1.0)
    assert str(list_parameters(network)).splitlines() == [
        "Sequential",
        "parameter  layer        shape  count   norm  remark",
        "0.weight   Linear         3×2      6  2.449",
        "0.bias     Linear           3      3  1.732",
        "1.weight   BatchNorm1d      3      3  1.732",
        "1.bias     BatchNorm1d      3      3  1.732",
        "15 parameters",
    ]

"""The arithmetic of single numbers: by the formula in float64 what the network gives, for every kind of operation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import convnets
from convnets.errors import InputError, UnknownNameError
from convnets.explanation.inside.node_values import node_values
from convnets.explanation.inside.operation_arithmetic import (
    followers,
    node_named,
    operation_arithmetic,
    softmax_arithmetic,
)
from convnets.inspection.graph.network_graph import GraphNode, TensorSource
from convnets.inspection.graph.trace import trace_graph

NETWORKS = ("lenet", "lenet_bn", "vgg11_quarter", "googlenet", "resnet20", "densenet_bc100")
SIDES = {
    "lenet": 28,
    "lenet_bn": 28,
    "vgg11_quarter": 32,
    "googlenet": 96,
    "resnet20": 32,
    "densenet_bc100": 32,
}


def _filled(name: str) -> tuple[nn.Module, torch.Tensor]:
    """A network with weights and running statistics that are all different, and an image."""
    generator = torch.Generator().manual_seed(3)
    network = convnets.create_model(name, **({"input_size": 32} if name == "vgg11_quarter" else {}))
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            norm.running_mean.normal_(generator=generator)
            norm.running_var.uniform_(0.5, 2.0, generator=generator)
            nn.init.uniform_(norm.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(norm.bias, generator=generator)
    channels = network.architecture.arguments.get("in_channels", 3)
    return network.eval(), torch.randn(channels, SIDES[name], SIDES[name], generator=generator)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_kind_of_operation_of_the_catalogue(name: str) -> None:
    network, image = _filled(name)
    graph = trace_graph(network, tuple(image.shape))
    seen: dict[tuple[str, str], list[GraphNode]] = {}
    for node in graph.nodes[1:]:
        seen.setdefault((node.function, node.kind), []).append(node)
    nodes = [node for alike in seen.values() for node in alike[:2]]
    values = node_values(
        network,
        image[None],
        [source for node in nodes for source in (*node.inputs, TensorSource(node.index))],
    )
    for node in nodes:
        for place in (0.0, 0.99):
            unit = tuple(int(side * place) for side in node.shapes[0][1:])
            found = operation_arithmetic(network, image, node.index, unit, graph=graph, values=values)
            assert math.isclose(found.result, found.given, rel_tol=2e-4, abs_tol=2e-5), (
                node.name,
                str(found),
                found.given,
            )
    assert len(seen) >= 4


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, padding="same", dilation=2, groups=2),
        nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0)),
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        nn.AvgPool2d(3, 2, 1, ceil_mode=True),
        nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        nn.AvgPool2d(2, divisor_override=3),
        nn.AdaptiveAvgPool2d((3, 2)),
        nn.LocalResponseNorm(3, alpha=0.1, beta=0.5, k=2.0),
        nn.Tanh(),
        nn.GELU(),
        nn.SiLU(),
    ],
    ids=lambda layer: str(layer)[:40],
)
def test_every_unit_of_a_layer(layer: nn.Module) -> None:
    image = torch.randn(4, 8, 7, generator=torch.Generator().manual_seed(1))
    network = nn.Sequential(layer)
    given = network(image[None])[0].detach().double()
    graph = trace_graph(network, tuple(image.shape))
    for unit in torch.cartesian_prod(*(torch.arange(side) for side in given.shape)).tolist()[::5]:
        found = operation_arithmetic(network, image, 1, tuple(unit), graph=graph)
        assert math.isclose(found.result, float(given[tuple(unit)]), rel_tol=1e-4, abs_tol=1e-5), (
            unit,
            str(found),
        )


def test_parts_add_up() -> None:
    network, image = _filled("lenet_bn")
    found = operation_arithmetic(network, image, "convolutions.0", (1, 2, 3))
    assert math.isclose(sum(part.value for part in found.parts), found.result, rel_tol=1e-12)
    assert found.windows is not None
    assert found.kernel is not None
    assert math.isclose(float((found.windows * found.kernel).sum()) + found.parts[-1].value, found.result)
    plain = found.to_dict()
    assert plain["unit"] == [1, 2, 3]
    assert plain["result"] == found.result


def test_what_a_pooling_sees_beyond_the_border_is_nothing() -> None:
    network = nn.Sequential(nn.MaxPool2d(3, 2, 1))
    found = operation_arithmetic(network, -torch.ones(1, 4, 4), "0", (0, 0, 0))
    assert found.result == -1
    assert found.to_dict()["windows"][0][0] == [None, None, None]


def test_softmax() -> None:
    logits = torch.tensor([1.0, 3.0, -2.0])
    found = softmax_arithmetic(logits, 1, ("a", "b", "c"))
    assert math.isclose(found.result, math.exp(3) / (math.e + math.exp(3) + math.exp(-2)), rel_tol=1e-12)
    assert [part.label for part in found.parts] == ["a", "b", "c"]
    with pytest.raises(InputError, match="allowed: 0 to 2"):
        softmax_arithmetic(logits, 3)


def test_followers_are_norm_and_activation() -> None:
    graph = trace_graph(convnets.create_model("lenet_bn"))
    assert [node.kind for node in followers(graph, node_named(graph, "convolutions.0"))] == [
        "BatchNorm2d",
        "ReLU",
    ] or [node.family for node in followers(graph, node_named(graph, "convolutions.0"))] == [
        "normalization",
        "activation",
    ]


def test_what_cannot_be_worked_out_is_refused() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Softplus())
    image = torch.zeros(1, 4, 4)
    with pytest.raises(InputError, match="not known here"):
        operation_arithmetic(network, image, "1", (0, 0, 0))
    with pytest.raises(InputError, match="gives 2×2×2"):
        operation_arithmetic(network, image, "0", (2, 0, 0))
    with pytest.raises(UnknownNameError, match="operation"):
        operation_arithmetic(network, image, "nowhere", (0, 0, 0))

"""The graph of a network: compared with PyTorch's own tracer, and never an error for what can run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from convnets.errors import InputError, LayerError
from convnets.inspection.graph.network_graph import NetworkGraph
from convnets.inspection.graph.trace import trace_graph
from convnets.models.catalogue import create_model, model_entry


def kinds(graph: NetworkGraph) -> list[str]:
    return [node.kind for node in graph.nodes]


def inputs_of(graph: NetworkGraph, kind: str) -> list[list[str]]:
    return [[graph.nodes[s.node].name for s in node.inputs] for node in graph.nodes if node.kind == kind]


@pytest.mark.parametrize(
    "name", ["mlp", "lenet_bn", "nin", "googlenet", "resnet18_d2l", "resnet20", "densenet_d2l"]
)
def test_it_has_the_steps_edges_and_shapes_of_fx(name: str) -> None:
    entry = model_entry(name)
    network = create_model(name).eval()
    image = torch.zeros(1, entry.in_channels, entry.input_size, entry.input_size)
    traced = fx.symbolic_trace(network)
    ShapeProp(traced).propagate(image)
    passed = {each for each in traced.graph.nodes if each.op == "call_module" and _is_identity(traced, each)}
    steps = [each for each in traced.graph.nodes if each.op.startswith("call") and each not in passed]
    graph = trace_graph(network)
    assert [node.shapes[0] for node in graph.nodes[1:]] == [tuple(s.meta["tensor_meta"].shape) for s in steps]
    place = {step: index for index, step in enumerate(steps, start=1)}
    place[next(iter(traced.graph.nodes))] = 0

    def source(each: Any) -> int:
        return source(each.all_input_nodes[0]) if each in passed else place[each]

    edges = {(source(each), place[step]) for step in steps for each in step.all_input_nodes}
    assert {(edge.source, edge.target) for edge in graph.edges} == edges


def _is_identity(traced: fx.GraphModule, step: Any) -> bool:
    return isinstance(traced.get_submodule(str(step.target)), nn.Identity)


def test_lenet_in_words() -> None:
    graph = trace_graph(create_model("lenet"))
    assert kinds(graph)[:5] == ["input", "Conv2d", "Sigmoid", "AvgPool2d", "Conv2d"]
    assert graph.nodes[1].name == "convolutions.0"
    assert graph.nodes[1].setting("padding") == (2, 2)
    assert graph.nodes[1].parameters == 156
    assert sum(node.parameters for node in graph.nodes) == 61_706
    assert str(graph).splitlines()[-1].split() == ["12", "classifier", "Linear", "11", "10"]
    assert json.loads(json.dumps(graph.to_dict()))["edges"][0] == {
        "source": 0,
        "target": 1,
        "shape": [1, 1, 28, 28],
    }
    assert graph.weightless


def test_parts_that_are_not_reached_are_noted() -> None:
    graph = trace_graph(create_model("googlenet", auxiliary=True))
    assert graph.notes == ("not reached: auxiliary1, auxiliary2",)


def test_the_network_is_left_as_found() -> None:
    network = create_model("resnet20").train()
    network.stage1.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    objects = dict(network.named_parameters())
    modes = [module.training for module in network.modules()]
    trace_graph(network)
    assert [module.training for module in network.modules()] == modes
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert all(parameter is objects[name] for name, parameter in network.named_parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * 2


class Odd(nn.Module):
    """What tracers stumble over: values decide, functions nobody sees, tensors outside buffers, odd outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.held = [torch.ones(1, 2, 1, 1)]

    def forward(self, x: Tensor) -> dict[str, Any]:
        x = self.conv(x)
        if x.abs().sum() > 0:
            x = x * self.held[0]
        x += torch.ones(1)
        return {"doubled": Double.apply(x), "rest": [x[:, :1], "text"]}


def test_a_path_that_values_decide_is_run() -> None:
    graph = trace_graph(Odd(), (1, 8, 8))
    assert not graph.weightless
    assert kinds(graph) == ["input", "Conv2d", "abs", "sum", "gt", "mul", "add", "mul", "getitem"]
    assert len(graph.outputs) == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_scripted_module_is_one_box() -> None:
    scripted = torch.jit.script(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()))
    alone = trace_graph(scripted, (1, 8, 8))
    assert len(alone.nodes) == 2
    inside = trace_graph(nn.Sequential(nn.Conv2d(1, 1, 1), scripted, nn.Flatten()), (1, 8, 8))
    assert len(inside.nodes) == 4
    assert inside.nodes[2].function == "unseen"
    assert inside.notes == ("not seen into: Sequential",)
    assert inside.nodes[3].shapes == ((1, 72),)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_networks_are_seen_as_they_were_written() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    assert kinds(trace_graph(torch.compile(network), (1, 8, 8))) == ["input", "Conv2d", "ReLU"]
    outer = nn.Sequential(torch.compile(network), nn.Flatten())
    assert kinds(trace_graph(outer, (1, 8, 8))) == ["input", "Conv2d", "ReLU", "Flatten"]


def test_modules_used_again_and_functions_in_place() -> None:
    class Again(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(2, 2, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            y = F.relu_(self.layer(x))
            return self.layer(y) + x

    graph = trace_graph(Again(), (2, 8, 8))
    assert [node.name for node in graph.nodes] == ["input", "layer", "relu", "layer (2)", "add"]
    assert inputs_of(graph, "add") == [["layer (2)", "input"]]


@pytest.mark.parametrize(
    ("network", "shape", "expected"),
    [
        (nn.LSTM(5, 3, batch_first=True), (4, 5), ["input", "LSTM"]),
        (nn.TransformerEncoderLayer(8, 2, batch_first=True), (4, 8), None),
        (nn.LazyConv2d(3, 3), (1, 8, 8), ["input", "Conv2d"]),
        (nn.Conv1d(2, 3, 3).double(), (2, 9), ["input", "Conv1d"]),
        (nn.utils.parametrizations.weight_norm(nn.Linear(4, 2)), (4,), None),
        (nn.Identity(), (1, 8, 8), ["input"]),
        (nn.Conv2d(1, 2, 3).half(), (1, 8, 8), ["input", "Conv2d"]),
    ],
)
def test_any_module(network: nn.Module, shape: tuple[int, ...], expected: list[str] | None) -> None:
    before = [(name, type(value)) for name, value in network.named_parameters()]
    graph = trace_graph(network, shape)
    assert expected is None or kinds(graph) == expected
    assert [(name, type(value)) for name, value in network.named_parameters()] == before
    assert not graph.notes


def test_other_inputs_than_an_image() -> None:
    @dataclass
    class Result:
        logits: Tensor

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(10, 4)

        def forward(self, words: Tensor, more: Tensor) -> Result:
            return Result(self.words(words).mean(1) + more)

    graph = trace_graph(Two(), inputs=(torch.zeros(2, 3, dtype=torch.long), torch.zeros(2, 4)))
    assert [node.name for node in graph.nodes] == ["input1", "input2", "words", "mean", "add"]
    assert graph.nodes[4].shapes == ((2, 4),)


def test_a_network_that_cannot_take_the_image_names_the_layer() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(10, 2))
    with pytest.raises(LayerError, match=r"layer 2 \(Linear\) got 1×72; it needs N×10"):
        trace_graph(network, (1, 8, 8))
    with pytest.raises(InputError, match="28 to 31 pixels"):
        trace_graph(create_model("lenet"), 20)
    with pytest.raises(InputError, match="C×H×W"):
        trace_graph(network)

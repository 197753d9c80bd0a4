"""Inspect counts what is there, says where a wrong size breaks, and leaves the network as it was."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from convnets.errors import InputError, LayerError
from convnets.inspection.cost.summary import NetworkSummary, inspect
from convnets.inspection.receptive_field.fields import receptive_fields
from convnets.models.catalogue import create_model


def test_lenet_has_the_shapes_and_parameters_of_the_book() -> None:
    found = inspect(create_model("lenet"))
    shapes = [layer.output_shape for layer in found.layers if layer.kind in ("Conv2d", "AvgPool2d", "Linear")]
    assert [shape[1:] for shape in shapes if shape is not None] == [
        *((6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5)),
        *((120,), (84,), (10,)),
    ]
    assert found.parameters == 61_706
    assert sum(layer.parameters for layer in found.layers if not layer.is_block) == 61_706
    assert found.output_shape == (1, 10)


def test_nothing_is_allocated_on_the_meta_device() -> None:
    with torch.device("meta"):
        network = create_model("vgg19")
    found = inspect(network)
    assert (found.parameters, found.weight_bytes) == (143_667_240, 4 * 143_667_240)
    assert found.macs == 19_632_062_464


def test_the_network_is_left_as_found() -> None:
    network = create_model("lenet_bn")
    network.train()
    network.classifier.eval()  # type: ignore[union-attr, operator]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    objects = [id(value) for value in [*network.parameters(), *network.buffers()]]
    modes = [module.training for module in network.modules()]
    attributes = [set(module.__dict__) for module in network.modules()]
    generator = torch.get_rng_state()
    inspect(network)
    assert [module.training for module in network.modules()] == modes
    assert [set(module.__dict__) for module in network.modules()] == attributes
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert [id(value) for value in [*network.parameters(), *network.buffers()]] == objects
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), generator)


def test_it_is_left_as_found_where_it_fails() -> None:
    network = create_model("lenet")
    with pytest.raises(InputError):
        inspect(network, (3, 28, 28))
    assert not any(module._forward_hooks for module in network.modules())
    assert network.training
    assert not any(value.is_meta for value in network.parameters())
    with pytest.raises(InputError, match="gray"):  # its own check is back
        network(torch.zeros(1, 3, 28, 28))


def test_frozen_parameters_are_told_apart() -> None:
    network = create_model("mlp")
    next(network.parameters()).requires_grad_(False)
    found = inspect(network)
    assert found.frozen_parameters == 784 * 256
    assert [layer.frozen_parameters for layer in found.layers if layer.kind == "Linear"] == [784 * 256, 0]
    assert "2,826 of them trainable, 200,704 frozen" in str(found)


class _Shared(nn.Module):
    """One layer twice, and two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.idle = nn.Linear(3, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(self.first(x)))  # type: ignore[no-any-return]


def test_what_is_used_twice_is_counted_once_and_worked_twice() -> None:
    found = inspect(_Shared(), (4,))
    assert found.parameters == 16 + 4 + 4 + 20
    assert found.macs == 3 * 16
    rows = [
        (layer.name, layer.call, layer.parameters, layer.shared_parameters, layer.macs)
        for layer in found.layers
    ]
    assert rows == [
        ("first", 1, 20, 0, 16),
        ("first", 2, 0, 20, 16),
        ("second", 1, 4, 16, 16),
        ("idle", 0, 20, 0, 0),
    ]
    assert "not called" in str(found)
    assert "first (call 2)" in str(found)


class _Functional(nn.Module):
    """Work of the network's own forward, beside a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(8, 3, 3, 3))
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(F.conv2d(x, self.weight)).mean((2, 3)))  # type: ignore[no-any-return]


def test_what_the_networks_own_forward_does_has_a_row() -> None:
    found = inspect(_Functional(), (3, 6, 6))
    assert [(layer.name, layer.parameters, layer.macs) for layer in found.layers] == [
        ("", 216, 216 * 16),
        ("head", 18, 16),
    ]
    assert sum(layer.share for layer in found.layers) == pytest.approx(1)
    assert "(itself)" in str(found)


class _Remembers(nn.Module):
    """Keeps what it saw, in every way that a module can."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.seen, self.named = nn.Linear(4, 4), [torch.ones(1)], {"x": 1}
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        self.named["x"] = 2
        self.last = x
        self.mean = x.mean(0)
        self.mean += 1
        return self.layer(x)  # type: ignore[no-any-return]


def test_what_a_network_remembers_is_forgotten() -> None:
    network = _Remembers()
    mean = network.mean
    inspect(network, (4,))
    assert (len(network.seen), network.named, hasattr(network, "last")) == (1, {"x": 1}, False)
    assert network.mean is mean
    assert not mean.any()
    assert list(network.state_dict()) == ["mean", "layer.weight", "layer.bias"]


def test_hooks_and_wrappers_of_others_stay_and_count() -> None:
    network = create_model("lenet")
    calls: list[int] = []
    network.classifier.register_forward_hook(lambda *_: calls.append(1))  # type: ignore[union-attr]
    assert inspect(network, fields=False).macs == 416_520
    assert len(network.classifier._forward_hooks) == 1  # type: ignore[union-attr, arg-type]
    assert calls
    spectral = nn.Sequential(spectral_norm(nn.Conv2d(2, 3, 3)))
    before = {name: value.clone() for name, value in spectral.state_dict().items()}
    found = inspect(spectral, (2, 5, 5))
    assert [(layer.name, layer.parameters) for layer in found.layers] == [("0", 57)]
    assert all(torch.equal(value, before[name]) for name, value in spectral.state_dict().items())


def test_dropout_draws_no_random_numbers() -> None:
    network = create_model("alexnet", num_classes=10)
    before = torch.get_rng_state()
    inspect(network, (3, 64, 64))
    assert torch.equal(torch.get_rng_state(), before)


class _LooksAtValues(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.layer(x) if x.sum().item() <= 0 else x  # type: ignore[no-any-return]


def test_a_network_that_looks_at_values_is_run_on_a_copy() -> None:
    network = _LooksAtValues()
    found = inspect(network, (4,))
    assert (found.macs, network.calls) == (16, 0)
    with pytest.raises(LayerError, match=r"looks at values, .* give it weights on the CPU"):
        inspect(_LooksAtValues().to("meta"), (4,))


@pytest.mark.parametrize(
    ("name", "shape", "layer", "line"),
    [
        (
            "lenet",
            (1, 40, 40),
            "hidden.1",
            "got 1×1024; it needs N×400; its head was built for 28 to 31 pixels",
        ),
        ("lenet", (3, 28, 28), "convolutions.0", "got 1×3×28×28; it needs N×1×H×W; make it gray"),
        ("nin", (1, 40, 40), "blocks.5", "(MaxPool2d) got 1×384×1×1; it needs at least 3×3 in H×W"),
        (
            "vgg11",
            (3, 20, 20),
            "blocks.4.4",
            "got 1×512×1×1; it needs at least 2×2 in H×W; the smallest side",
        ),
        ("densenet_d2l", (1, 20, 20), "transition3.3", "got 1×120×1×1; it needs at least 2×2"),
        ("resnet18", (1, 64, 64), "stem.0", "(Conv2d) got 1×1×64×64; it needs N×3×H×W"),
    ],
)
def test_a_wrong_size_names_the_layer(name: str, shape: tuple[int, ...], layer: str, line: str) -> None:
    with torch.device("meta"):
        network = create_model(name)
    with pytest.raises(LayerError) as refused:
        inspect(network, shape)
    assert refused.value.layer == layer
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)
    partial = refused.value.partial
    assert isinstance(partial, NetworkSummary)
    assert partial.layers[-1].name == layer
    assert partial.layers[-1].output_shape is None
    assert any(
        line.startswith(f"{'  ' * layer.count('.')}{layer.rpartition('.')[2]}")
        for line in str(partial).splitlines()
    )
    assert "fails" in str(partial)


def _chain(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers)


WRONG: list[tuple[nn.Module, tuple[int, ...], str]] = [
    (_chain(nn.Conv1d(2, 3, 5)), (2, 4), "layer 0 (Conv1d) got 1×2×4; it needs at least 5 in L"),
    (_chain(nn.Conv3d(1, 2, 3)), (2, 4, 4, 4), "it needs N×1×D×H×W"),
    (_chain(nn.Conv2d(1, 2, 3, dilation=3)), (1, 6, 9), "it needs at least 7×7 in H×W"),
    (_chain(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(3)), (1, 6, 6), "layer 1 (BatchNorm2d) got 1×4×4×4; it needs N×3×…"),
    (_chain(nn.LayerNorm((3, 5))), (4, 5), "layer 0 (LayerNorm) got 1×4×5; it needs …×3×5"),
    (_chain(nn.LSTM(4, 5)), (6, 3), "layer 0 (LSTM) got 1×6×3; it needs …×4"),
    (_chain(nn.Flatten(), nn.Linear(9, 2)), (1, 4, 4), "layer 1 (Linear) got 1×16; it needs N×9; give an input"),
    (_chain(nn.Unflatten(1, (2, 5))), (9,), "layer 0 (Unflatten) got 1×9; "),
]  # fmt: skip


@pytest.mark.parametrize(("network", "shape", "line"), WRONG, ids=[line[:24] for _, _, line in WRONG])
def test_what_a_layer_needs(network: nn.Module, shape: tuple[int, ...], line: str) -> None:
    with pytest.raises(LayerError) as refused:
        inspect(network, shape)
    assert line in str(refused.value)


def test_sizes_that_are_none_are_refused() -> None:
    lenet = create_model("lenet")
    for size, line in (
        ((28, 28), "this network needs C×H×W"),
        ((1, 0, 28), "whole numbers from 1"),
        ((), "input size is empty"),
        ((1, 28.0, 28), "whole numbers from 1"),
    ):
        with pytest.raises(InputError, match=line):
            inspect(lenet, size)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="allowed: C×H×W"):
        inspect(nn.Flatten())
    with pytest.raises(InputError, match="allowed: C×H×W"):
        inspect(nn.Flatten(), 28)
    with pytest.raises(InputError, match="network is 'lenet'; allowed: an"):
        inspect("lenet")  # type: ignore[arg-type]
    assert inspect(nn.Linear(3, 2), (np.int64(3),)).macs == 6
    with pytest.raises(InputError, match="has no shape yet; run one batch"):
        inspect(nn.Sequential(nn.LazyLinear(3)), (4,))


def test_a_size_that_the_network_does_not_promise_is_refused_though_no_layer_minds() -> None:
    with torch.device("meta"):
        network = create_model("alexnet")
    with pytest.raises(InputError, match="alexnet takes is 63"):
        inspect(network, (3, 62, 200))


def test_other_inputs_than_images() -> None:
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    x = torch.zeros(3, 5, 8)
    found = inspect(attention, inputs=(x, x, x))
    # three projections and the one after, q·kᵀ and scores·v, for 3 sequences of 5
    assert found.macs == 3 * (4 * 5 * 8 * 8 + 2 * 5 * 5 * 8)
    assert found.input_shape == (3, 5, 8)
    assert found.parameters == sum(layer.parameters for layer in found.layers)


def test_the_receptive_field_is_a_column() -> None:
    with torch.device("meta"):
        network = create_model("googlenet")
    found = {(layer.name, layer.call): layer for layer in inspect(network).layers}
    fields = {field.name: field for field in receptive_fields(network)}
    for (name, call), layer in found.items():
        if layer.is_block:
            continue
        field = fields[name if call == 1 else f"{name} ({call})"]
        assert layer.field_size == tuple(axis.size for axis in field.axes)
        assert layer.field_exceeds == field.exceeds
    # 7×7 stride 2, 3×3 stride 2: 7 + 2·2; then 3×3 at stride 4, 3×3 stride 2, and the 5×5 of 3a at stride 8
    assert found["stem", 1].field_size == (11, 11)
    assert found["inception.3a", 1].field_size == (11 + 2 * 4 + 2 * 4 + 4 * 8,) * 2
    assert found["halve", 2].field_size != found["halve", 1].field_size
    assert all(layer.field_size is None for layer in inspect(network, fields=False).layers)
    assert inspect(nn.Linear(3, 2), (3,)).layers[0].field_size is None


def test_operators_without_a_rule_are_named() -> None:
    found = inspect(
        nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(1, 1, 1)), (1, 3, 3)
    )
    assert found.uncounted == (("upsample_bilinear2d", "0"),)
    assert "not counted: upsample_bilinear2d in 0" in str(found)


def test_json_and_html_carry_the_rows() -> None:
    found = inspect(create_model("lenet_bn"))
    content: dict[str, Any] = json.loads(json.dumps(found.to_dict()))
    assert (content["macs"], content["flops"]) == (281_640, 563_280)
    assert [layer["name"] for layer in content["layers"]] == [layer.name for layer in found.layers]
    html = found._repr_html_()
    assert html == found.html()
    assert html.count("<tr") == len(found.layers) + 1
    assert 1 < found.html(depth=1).count("<tr") < len(found.layers)
    assert "281,640 MACs, 563,280 FLOPs" in html
    odd = nn.Sequential()
    odd.add_module("<b>&", nn.Linear(2, 2))
    assert "<b>&" not in inspect(odd, (2,))._repr_html_().replace("&lt;b&gt;&amp;", "")

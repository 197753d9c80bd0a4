"""Receptive fields against what really depends on what: the support of gradients, and NaNs that spread."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.errors import InputError
from convnets.inspection.cost.summary import inspect
from convnets.inspection.graph.recording import GraphRecorder
from convnets.inspection.graph.trace import trace_graph
from convnets.inspection.receptive_field.effective_field import effective_field
from convnets.inspection.receptive_field.fields import AxisField, ReceptiveField, receptive_fields
from convnets.models.catalogue import create_model, list_models, model_entry

Span = tuple[int, int]


def hull(touched: Tensor) -> Span:
    """First and last place that is not zero; (0, -1) where all are."""
    places = touched.nonzero().flatten().tolist()
    return (places[0], places[-1]) if places else (0, -1)


def gradient_spans(output: Tensor, image: Tensor) -> list[list[Span]]:
    """For each axis of the image, what each line of units across the output depends on."""
    found = []
    for axis in range(2, output.ndim):
        spans = []
        for place in range(output.shape[axis]):
            line = output.select(axis, place).sum()
            (gradient,) = torch.autograd.grad(line, image, retain_graph=True, allow_unused=True)
            others = [each for each in range(image.ndim) if each != axis]
            spans.append((0, -1) if gradient is None else hull(gradient.abs().sum(others)))
        found.append(spans)
    return found


def spans_of(field: ReceptiveField) -> list[list[Span]]:
    return [list(axis.spans) for axis in field.axes]


class RandomGraph(nn.Module):
    """A network that draws its layers, branches and where they meet from a seed; `taps` are its steps' outputs.

    Weights are positive, so that no gradient cancels; nothing takes a maximum, whose gradient shows the winner only.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.draw = random.Random(seed)
        self.layers = nn.ModuleList(self._layer() for _ in range(self.draw.randint(4, 7)))
        self.plan = [self.draw.random() for _ in self.layers]
        self.taps: list[Tensor] = []
        with torch.no_grad():
            for weight in self.parameters():
                weight.uniform_(0.5, 1.0, generator=torch.Generator().manual_seed(seed))

    def _layer(self) -> nn.Module:
        draw = self.draw
        kernel, stride = draw.choice([1, 2, 3, 5]), draw.choice([1, 1, 1, 2, 3])
        dilation = draw.choice([1, 1, 2]) if kernel < 5 else 1
        padding = draw.randint(0, kernel // 2)
        return draw.choice(
            [
                nn.Conv2d(2, 2, kernel, stride, padding, dilation),
                nn.Conv2d(2, 2, (kernel, 3), stride, (padding, 1), dilation, groups=2),
                nn.Conv2d(2, 2, kernel, padding="same", dilation=dilation),
                nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"),
                nn.ConvTranspose2d(2, 2, kernel, min(stride, 2, kernel), padding=0),
                nn.AvgPool2d(max(kernel, 2), stride, padding=padding // 2, ceil_mode=draw.random() < 0.5),
                nn.Upsample(scale_factor=2, mode=draw.choice(["nearest", "bilinear"])),
                nn.AdaptiveAvgPool2d((draw.randint(3, 6), draw.randint(3, 6))),
                nn.Softplus(),  # a sigmoid of large sums has no gradient left
                nn.BatchNorm2d(2),
            ]
        )

    def _tap(self, x: Tensor) -> Tensor:
        self.taps.append(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        self.taps = []
        for layer, choice in zip(self.layers, self.plan, strict=True):
            if min(x.shape[2:]) < 7 and choice < 0.9:  # so that every layer fits
                x = self._tap(F.pad(x, (2, 2, 3, 2), mode="replicate"))
            if isinstance(layer, nn.Conv2d) and layer.padding_mode == "reflect":
                y = self._tap(F.conv2d(self._tap(F.pad(x, (1, 1, 1, 1), mode="reflect")), layer.weight))
            else:
                y = self._tap(layer(x))
            if choice < 0.35 and y.shape == x.shape:
                y = self._tap(x + y)
            elif choice < 0.7:  # a branch beside it, made to fit by cutting off what is too much
                rows, columns = (min(a, b) for a, b in zip(x.shape[2:], y.shape[2:], strict=True))
                short = self._tap(x[:, :, :rows, x.shape[3] - columns :])
                cut = self._tap(y[..., :rows, :columns])
                y = self._tap(short + cut)
            elif choice < 0.85 and y.shape[2:] == x.shape[2:]:
                y = self._tap(torch.cat([x, y], dim=1))
                y = self._tap(y[:, ::2])
            x = y
        return x


@pytest.mark.parametrize("seed", range(24))
def test_fields_are_the_support_of_gradients_in_random_graphs(seed: int) -> None:
    network = RandomGraph(seed).double()
    image = torch.rand(1, 2, 19, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + 0.5
    fields = receptive_fields(network, (2, 19, 16))
    assert not network.taps, "the network is left as found"
    image.requires_grad_(True)
    network.eval()(image)
    assert [field.shape for field in fields] == [tuple(tap.shape) for tap in network.taps]
    for field, tap in zip(fields, network.taps, strict=True):
        assert field.exact
        assert spans_of(field) == gradient_spans(tap, image), field


NETWORKS = {
    "lenet": 28,
    "lenet_bn": 28,
    "alexnet_d2l": 95,
    "nin": 95,
    "vgg11_quarter": 64,
    "googlenet": 64,
    "resnet18_d2l": 64,
    "densenet_d2l": 64,
    "googlenet_bn": 64,
    "resnet20": 32,
    "speednet": 28,
    "resnet18": 64,
    "resnet18_small": 32,
    "densenet_bc100": 32,
}


def catalogue_network(name: str, side: int) -> nn.Module:
    entry = model_entry(name)
    built = create_model(name, num_classes=2, seed=0, input_size=side if entry.fixed_size else None)
    return built.eval()


def maps_of(fields: Sequence[ReceptiveField]) -> list[ReceptiveField]:
    return [field for field in fields if len(field.shape) == 4]


def some(maps: list[ReceptiveField]) -> list[ReceptiveField]:
    return [maps[len(maps) // 4], maps[len(maps) // 2], maps[-1]]


def output_of(network: nn.Module, field: ReceptiveField, image: Tensor) -> Tensor:
    recorder = GraphRecorder(network, (image,), keep=[field.node])
    with recorder.watching():
        network(image)
    return recorder.kept[field.node][0]


class WindowSum(nn.Module):
    """Has the windows of a max-pooling layer, and gradients for all that is in them."""

    def __init__(self, like: nn.MaxPool2d) -> None:
        super().__init__()
        self.like = like

    def forward(self, x: Tensor) -> Tensor:
        like = self.like
        return F.avg_pool2d(x, like.kernel_size, like.stride, like.padding, like.ceil_mode)


@pytest.mark.parametrize(("name", "side"), NETWORKS.items())
def test_fields_are_the_support_of_gradients_in_the_catalogue(name: str, side: int) -> None:
    network = catalogue_network(name, side)
    fields = receptive_fields(network, (model_entry(name).in_channels, side, side))
    chosen = some(maps_of(fields))
    for module in list(network.modules()):
        for key, child in module.named_children():
            if isinstance(child, nn.MaxPool2d):
                setattr(module, key, WindowSum(child))
    network = network.double()
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.rand_like(weight) / max(weight[0].numel(), 1) + 1e-3)
    image = torch.rand(1, model_entry(name).in_channels, side, side, dtype=torch.float64).requires_grad_(True)
    for field in chosen:
        assert spans_of(field) == gradient_spans(output_of(network, field, image), image), field


@pytest.mark.parametrize(("name", "side"), [each for each in NETWORKS.items() if each[0] != "densenet_bc100"])
def test_fields_are_where_a_nan_shows_with_max_pooling_too(name: str, side: int) -> None:
    network = catalogue_network(name, side)
    channels = model_entry(name).in_channels
    (field,) = maps_of(receptive_fields(network, (channels, side, side)))[-1:]
    for axis in (0, 1):
        image = torch.zeros(side, channels, side, side)
        for place in range(side):
            image[place].select(1 + axis, place).fill_(torch.nan)
        with torch.no_grad():
            reached = output_of(network, field, image).isnan().any(1)  # place of the NaN × rows × columns
        lines = reached.any(2 - axis)  # place × unit
        assert [hull(lines[:, unit]) for unit in range(lines.shape[1])] == list(field.axes[axis].spans)


def last(name: str, kind: str) -> AxisField:
    with torch.device("meta"):
        network = create_model(name)
    entry = model_entry(name)
    fields = receptive_fields(network, (entry.in_channels, entry.input_size, entry.input_size))
    return [field for field in fields if field.kind == kind and len(field.shape) == 4][-1].axes[0]


@pytest.mark.parametrize(
    ("name", "kind", "size", "stride", "start"),
    [
        # Araujo, Norris & Sim 2019, table 1: VGG-16 212 pixels with stride 32 and padding 90, AlexNet 195 and 32
        ("vgg16", "MaxPool2d", 212, 32, -90),
        ("alexnet", "MaxPool2d", 195, 32, None),
        # by the formula, by hand: 11 + 4·4 + 8 + 3·… for stages of basic blocks; bottlenecks with the stride in the 3×3
        ("resnet18", "Conv2d", 435, 32, None),
        ("resnet34", "Conv2d", 899, 32, None),
        ("resnet50", "relu", 427, 32, None),
        ("resnet101", "relu", 971, 32, None),
        ("lenet", "AvgPool2d", 16, 4, -2),
    ],
)
def test_known_fields(name: str, kind: str, size: int, stride: int, start: int | None) -> None:
    found = last(name, kind)
    assert (found.size, found.stride) == (size, stride)
    assert start is None or found.start == start


def test_the_padding_share_is_that_of_a_slow_loop() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 1, 5, padding=2), nn.Conv2d(1, 1, 3, stride=2, padding=1, dilation=2)
    )
    field = receptive_fields(network, (1, 9, 12))[-1]
    assert [axis.size for axis in field.axes] == [9, 9]
    outside = []
    for row in range(field.shape[2]):
        for column in range(field.shape[3]):
            pixels = [
                0 <= y < 9 and 0 <= x < 12
                for y in range(2 * row - 3, 2 * row + 6)
                for x in range(2 * column - 3, 2 * column + 6)
            ]
            outside.append(1 - sum(pixels) / len(pixels))
    assert field.padding == pytest.approx(np.mean(outside))


def test_branches_of_other_reach_are_united() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide, self.tall = (
                nn.Conv2d(1, 1, (1, 7), padding=(0, 3)),
                nn.Conv2d(1, 1, (5, 1), padding=(2, 0)),
            )

        def forward(self, x: Tensor) -> Tensor:
            return self.wide(x) + self.tall(x)

    field = receptive_fields(Branches(), (1, 20, 20))[-1]
    assert [(axis.size, axis.start) for axis in field.axes] == [(5, -2), (7, -3)]


def test_a_layer_that_sees_more_than_the_image_is_marked() -> None:
    fields = receptive_fields(create_model("lenet"), (1, 28, 28))
    by_name = {field.name: field for field in fields}
    assert not by_name["convolutions.5"].exceeds
    assert by_name["hidden.1"].exceeds
    assert by_name["hidden.1"].whole
    assert not by_name["hidden.0"].whole, "each number of the flattened maps still has its own place"
    assert "exceeds the image" in str(by_name["classifier"])


def test_strides_beyond_the_kernel_leave_pixels_unseen() -> None:
    (field,) = receptive_fields(nn.Conv2d(1, 1, 2, stride=5), (1, 13, 13))
    assert field.axes[0].spans == ((0, 1), (5, 6), (10, 11))
    assert (field.axes[0].size, field.axes[0].stride, field.padding) == (2, 5, 0)


def test_series_and_volumes() -> None:
    (series,) = receptive_fields(nn.Conv1d(3, 1, 4, dilation=3), (3, 30))
    assert [axis.size for axis in series.axes] == [10]
    (volume,) = receptive_fields(nn.MaxPool3d((1, 2, 3)), (1, 4, 6, 9))
    assert [axis.size for axis in volume.axes] == [1, 2, 3]


def test_tokens_keep_their_places_until_attention_mixes_them() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, 8, 4, stride=4)
            self.mix = nn.Linear(8, 8)
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            x = self.mix(self.patches(x).flatten(2).transpose(1, 2))
            return self.attention(x, x, x)[0]

    fields = receptive_fields(Tokens(), (3, 16, 16))
    mixed = next(field for field in fields if field.name == "mix")
    assert (mixed.axes[0].size, mixed.whole, mixed.exact) == (4, False, True)
    assert mixed.axes[0].spans[:5] == ((0, 3), (0, 3), (0, 3), (0, 3), (4, 7))
    assert mixed.axes[1].spans[:5] == ((0, 3), (4, 7), (8, 11), (12, 15), (0, 3))
    assert fields[-1].whole


def test_gating_by_the_whole_image_sees_the_whole_image() -> None:
    class Gate(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * torch.sigmoid(x.mean((2, 3), keepdim=True))

    field = receptive_fields(Gate(), (2, 8, 8))[-1]
    assert field.whole
    assert field.exact


def test_an_unknown_operation_is_taken_to_see_all_and_says_so() -> None:
    class Unknown(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.fft.fft2(x).abs()

    field = receptive_fields(Unknown(), (1, 8, 8))[-1]
    assert field.whole
    assert not field.exact


class Applied(nn.Module):
    """Any function as a network."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


LAID_OUT: dict[str, Callable[[Tensor], Tensor]] = {
    "pixel-unshuffle": lambda x: F.pixel_unshuffle(x, 2),
    "pixel-unshuffle after a convolution": lambda x: F.pixel_unshuffle(x, 3),
    "cumsum down": lambda x: x.cumsum(2),
    "cumsum across": lambda x: torch.cumsum(x, dim=-1),
    "cumsum backwards after a convolution": lambda x: x.flip(2).cumsum(2),
    "cumprod": lambda x: x.cumprod(2),
    "logcumsumexp": lambda x: x.logcumsumexp(3),
    "Tensor.unfold": lambda x: x.unfold(2, 4, 3),
    "Tensor.unfold twice": lambda x: x.unfold(2, 3, 2).unfold(3, 2, 1),
    "unfold": lambda x: F.unfold(x, (3, 2), padding=(1, 0), stride=(2, 3)),
    "unfold after a convolution": lambda x: F.unfold(x, 3, dilation=2, padding=1),
}


@pytest.mark.parametrize("name", LAID_OUT)
def test_what_lays_out_or_adds_up_places_is_exact(name: str) -> None:
    conv = nn.Conv2d(1, 2, 3, stride=2, padding=1)
    nn.init.uniform_(conv.weight, 0.5, 1)
    network = nn.Sequential(conv if "after" in name else nn.Identity(), Applied(LAID_OUT[name])).double()
    image = torch.rand(1, 1, 18, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.5
    field = receptive_fields(network, (1, 18, 12))[-1]
    assert field.exact
    image.requires_grad_(True)
    output = network(image)
    if output.ndim == 3:  # N×C×L: a line of units is one place of L, in both axes of the image
        sums = [output[..., place].sum() for place in range(output.shape[2])]
        seen = [torch.autograd.grad(each, image, retain_graph=True)[0].abs() for each in sums]
        expected = [[hull(each.sum((0, 1, other))) for each in seen] for other in (3, 2)]
    else:
        expected = gradient_spans(output, image)[:2]
    assert spans_of(field) == expected


def causal(x: Tensor) -> Tensor:
    tokens = x.flatten(2).mT
    return F.scaled_dot_product_attention(tokens, tokens, tokens, is_causal=True)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.fft.fft2(x).abs(),
        lambda x: x.sort(2).values,
        lambda x: F.fold(F.unfold(x, 3), (8, 8), 3),
        lambda x: nn.LSTM(8, 2)(x[0, 0])[0],
        causal,
    ],
)
def test_a_bound_is_shown_as_a_bound(function: Callable[[Tensor], Tensor]) -> None:
    class Bounded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 1)
            self.after = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.after(function(self.conv(x)))

    network = Bounded()
    field = receptive_fields(network, (1, 8, 8))[-1]
    assert not field.exact
    assert field.to_dict()["exact"] is False
    assert "at most 8×8" in str(field)
    summary = inspect(network, (1, 8, 8))
    assert "≤8×8" in str(summary)
    assert "≤8×8" in summary.html()
    if len(field.shape) == 4:
        found = effective_field(network, field.name, (1, 8, 8))
        assert "can see at most 8×8" in str(found)
        assert found.to_dict()["exact"] is False
        assert "what it can see at most" in found.svg()
    exact = effective_field(nn.Sequential(nn.Conv2d(1, 1, 3)), "0", (1, 8, 8))
    assert "at most" not in str(exact) + exact.svg()


def test_networks_of_the_catalogue_are_exact() -> None:
    for name in (
        *list_models("*d2l"),
        *list_models("vgg1[16]*"),
        "alexnet",
        "googlenet_bn",
        "resnet50",
        "densenet121",
    ):
        with torch.device("meta"):
            network = create_model(name)
        assert all(field.exact for field in receptive_fields(network)), name


def test_a_vector_has_no_receptive_field() -> None:
    with pytest.raises(InputError, match="image N×C×H×W"):
        receptive_fields(nn.Linear(4, 2), (4,))


def test_a_module_that_runs_twice_has_two_records() -> None:
    layer = nn.Conv2d(1, 1, 3)
    fields = receptive_fields(nn.Sequential(layer, layer), (1, 9, 9))
    assert [field.axes[0].size for field in fields] == [3, 5]
    assert len({field.name for field in fields}) == 2


def test_the_graph_is_what_fields_are_computed_over() -> None:
    graph = trace_graph(create_model("resnet20"), 32)
    fields = receptive_fields(create_model("resnet20"), 32)
    assert [field.name for field in fields] == [node.name for node in graph.nodes[1:]]

"""What every network promises, and each input that it refuses, with the remedy."""

from __future__ import annotations

import copy
import math
import time
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convnets.errors import ConfigError, InputError
from convnets.inspection.running.shapes import QuickShapes
from convnets.models.catalogue import create_model, list_models, model_entry
from convnets.models.contract import ImageClassifier
from convnets.models.papers.lenet import LeNet
from convnets.models.papers.nin import NiN

# one of each kind: the rest differ in depth alone
KINDS = (
    "softmax",
    "mlp",
    "lenet",
    "lenet_bn",
    "nin",
    "googlenet",
    "googlenet_bn",
    "resnet18_d2l",
    "densenet_d2l",
    "resnet18",
    "resnet50",
    "densenet121",
    "resnet20",
    "resnet18_small",
    "densenet_bc100",
    "alexnet",
    "speednet",
)


def small(name: str, **arguments: Any) -> ImageClassifier:
    return create_model(name, **{"in_channels": 2, "num_classes": 3, "seed": 0, **arguments})


def images(name: str, count: int = 2, channels: int = 2) -> Tensor:
    entry = model_entry(name)
    side = entry.input_size if entry.fixed_size else max(48, entry.min_size)
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", KINDS)
def test_features_embedding_and_logits_agree(name: str) -> None:
    network, x = small(name).eval(), images(name)
    with torch.no_grad():
        features, embedding, logits = network.features(x), network.embed(x), network(x)
        assert torch.equal(network.classify(features), logits)
    assert features.ndim == 4
    assert embedding.shape == (2, network.embedding_size)
    assert logits.shape == (2, 3)
    if isinstance(network, NiN):
        torch.testing.assert_close(embedding, features.mean((2, 3)))
        torch.testing.assert_close(logits, network.class_maps(features).mean((2, 3)))
    else:
        classifier = network.get_submodule("classifier")
        torch.testing.assert_close(logits, classifier(embedding))


@pytest.mark.parametrize("name", KINDS)
def test_logits_in_every_mode_gradients_everywhere_and_an_input_as_it_was(name: str) -> None:
    network, x = small(name).train(), images(name, count=4)
    before = x.clone()
    logits = network(x)
    assert isinstance(logits, Tensor)
    assert torch.equal(x, before)
    logits.square().sum().backward()
    assert [
        key for key, weight in network.named_parameters() if weight.requires_grad and weight.grad is None
    ] == []


@pytest.mark.parametrize("name", list_models())
def test_any_channels_and_classes(name: str) -> None:
    with torch.device("meta"), QuickShapes():
        network = create_model(name, in_channels=5, num_classes=17).eval()
        x = torch.empty(3, *model_entry(name).input_shape(5))
        assert network(x).shape == (3, 17)
        assert network.embed(x).shape == (3, network.embedding_size)
    assert (network.in_channels, network.num_classes) == (5, 17)


@pytest.mark.parametrize("name", [*KINDS, "alexnet_d2l", "vgg11", "vgg11_quarter", "vgg16_bn"])
def test_minimum_size_is_the_smallest_that_computes(name: str) -> None:
    entry = model_entry(name)

    def computes(side: int) -> bool:
        """Without the network's own check, PyTorch itself decides."""
        with torch.device("meta"), QuickShapes():
            try:
                network = create_model(name, input_size=max(side, entry.min_size)).eval()
                network.check_input = lambda x: None  # type: ignore[method-assign, assignment]
                return bool(network(torch.empty(1, entry.in_channels, side, side)).numel())
            except RuntimeError:
                return False

    assert computes(entry.min_size)
    assert not computes(entry.min_size - 1)


@pytest.mark.parametrize("name", list_models())
def test_below_the_minimum_is_refused_with_the_minimum(name: str) -> None:
    entry = model_entry(name)
    with torch.device("meta"), QuickShapes():
        network = create_model(name, input_size=entry.min_size).eval()
        smallest = entry.input_shape(size=entry.min_size)
        network(torch.empty(1, *smallest))
        assert network.min_size == entry.min_size
        assert network.input_size == (entry.min_size if entry.fixed_size else None)
        with pytest.raises(InputError, match=rf"\b{entry.min_size}\b"):
            network(torch.empty(1, *smallest[:-1], entry.min_size - 1))


@pytest.mark.parametrize("name", ["softmax", "mlp", "lenet", "lenet_bn", "alexnet_d2l", "vgg11_quarter"])
def test_a_fixed_head_takes_exactly_the_sizes_that_it_says(name: str) -> None:
    entry = model_entry(name)
    with torch.device("meta"), QuickShapes():
        network = create_model(name).eval()
        unchecked = copy.deepcopy(network)
        unchecked.check_input = lambda x: None  # type: ignore[method-assign, assignment]
        for side in range(entry.input_size - 12, entry.input_size + 12):
            x = torch.empty(1, 1, side, side)
            fits = network.sizes.smallest <= side <= network.sizes.largest
            if fits:
                assert network(x).shape == unchecked(x).shape == (1, 10)
                continue
            with pytest.raises(RuntimeError):
                unchecked(x)
            with pytest.raises(InputError, match=f"{entry.input_size}.*input_size={side}"):
                network(x)


BAD_INPUTS: dict[str, tuple[str, Any, str]] = {
    "H×W": ("lenet", torch.rand(28, 28), r"lenet got 28×28 float32; allowed: N×1×H×W; .*x\[None, None\]"),
    "C×H×W": ("resnet20", torch.rand(3, 32, 32), r"got 3×32×32 .*C×H×W image needs x\[None\]"),
    "H×W×C": ("resnet20", torch.rand(32, 32, 3), r"permute\(2, 0, 1\)\[None\]"),
    "N×H×W": ("lenet", torch.rand(8, 28, 28), r"x\[:, None\]"),
    "five axes": ("lenet", torch.rand(1, 1, 1, 28, 28), "1×1×1×28×28.*reshape"),
    "number": ("lenet", torch.tensor(1.0), "a single number float32"),
    "N×H×W×C": ("resnet20", torch.rand(2, 32, 32, 3), r"2×32×32×3 .*permute\(0, 3, 1, 2\)"),
    "uint8": (
        "lenet",
        torch.zeros(2, 1, 28, 28, dtype=torch.uint8),
        r"uint8.*Preprocess or x.float\(\) / 255",
    ),
    "int64": ("lenet", torch.zeros(2, 1, 28, 28, dtype=torch.int64), r"int64.*use x.float\(\)"),
    "float64": ("lenet", torch.zeros(2, 1, 28, 28, dtype=torch.float64), r"float64.*use x.float\(\)"),
    "1 channel into 3": ("resnet20", torch.rand(2, 1, 32, 32), r"2×1×32×32.*N×3×H×W.*expand.*in_channels=1"),
    "3 channels into 1": ("lenet", torch.rand(2, 3, 28, 28), "N×1×H×W.*gray.*in_channels=3"),
    "4 channels into 3": ("resnet20", torch.rand(2, 4, 32, 32), "in_channels=4"),
    "too small": ("densenet121", torch.rand(2, 3, 28, 28), "densenet121 takes is 29 pixels"),
    "one side too small": ("densenet121", torch.rand(2, 3, 28, 200), "29 pixels"),
    "fixed head": ("lenet", torch.rand(2, 1, 32, 32), "28 to 31 pixels.*input_size=32"),
    "fixed head, hopeless": ("lenet", torch.rand(2, 1, 5, 5), "28 to 31 pixels; resize the images$"),
    "list": ("lenet", [[0.0]], "got list.*torch.as_tensor"),
    "image into a series' network": ("lenet1d", torch.rand(2, 1, 28, 28), "allowed: N×1×L; reshape it"),
    "channels of a series": ("resnet1d", torch.rand(2, 3, 28), "N×1×L; build the network with in_channels=3"),
    "length": ("lenet1d", torch.rand(2, 1, 140), "128 to 131.*input_size=140"),
    "vector of side 28": ("mlp", torch.rand(2, 784), "allowed: N×1×H×W"),
}


@pytest.mark.parametrize("case", BAD_INPUTS, ids=list(BAD_INPUTS))
def test_bad_inputs_are_refused_in_one_line(case: str) -> None:
    name, x, message = BAD_INPUTS[case]
    network = create_model(name, seed=0).eval()
    for route in (network.features, network.embed, network):
        with pytest.raises(InputError, match=message) as caught:
            route(x)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["lenet_bn", "googlenet_bn", "resnet18", "resnet50", "resnet20", "densenet_bc100"]
)
@pytest.mark.parametrize("offset", [-1, 0])
def test_a_single_image_in_training_is_refused_where_torch_would(name: str, offset: int) -> None:
    network = create_model(name, seed=0).train()
    side = 28 if name == "lenet_bn" else int(network.sizes.lone_image) + offset
    assert refuses(network, (side, side)) == torch_refuses(network, (side, side))


@pytest.mark.parametrize("name", [*(name for name in KINDS if not model_entry(name).fixed_size), "vgg11_bn"])
def test_the_size_from_which_a_single_image_can_be_trained_on(name: str) -> None:
    """On the meta device, where PyTorch checks the count of values just as it does elsewhere."""
    entry = model_entry(name)
    with torch.device("meta"), QuickShapes():
        network = create_model(name).train()
        lone = network.sizes.lone_image
        threshold = entry.min_size if math.isinf(lone) else int(lone)
        for side in {entry.min_size, max(entry.min_size, threshold - 1), max(entry.min_size, threshold)}:
            for shape in ((side, side), (side, 2 * side)):
                assert refuses(network, shape) == torch_refuses(network, shape)


@pytest.mark.parametrize("name", ["linear", "softmax", "mlp"])
def test_a_vector_is_an_image_of_one_pixel(name: str) -> None:
    network = create_model(name, in_channels=5, num_classes=3, input_size=1, seed=0).eval()
    x = torch.rand(4, 5)
    assert torch.equal(network(x), network(x[:, :, None, None]))
    assert torch.equal(network.classify(network.features(x)), network(x))
    with pytest.raises(InputError, match="N×5×H×W or N×5; build the network with in_channels=4"):
        network(x[:, :4])


def test_a_lone_vector_meets_no_batch_norm_in_training() -> None:
    network = create_model("mlp", in_channels=5, input_size=1, batch_norm=True, seed=0).train()
    with pytest.raises(InputError, match="a batch of 2 or more"):
        network(torch.rand(1, 5))
    assert network.eval()(torch.rand(1, 5)).shape == (1, 10)


def refuses(network: ImageClassifier, shape: tuple[int, int]) -> bool:
    return fault(network, shape, InputError, "batch norm would see a single value per channel")


def torch_refuses(network: ImageClassifier, shape: tuple[int, int]) -> bool:
    network.check_input = lambda x: None  # type: ignore[method-assign, assignment]
    try:
        return fault(network, shape, ValueError, "Expected more than 1 value per channel")
    finally:
        del network.check_input


def fault(network: ImageClassifier, shape: tuple[int, int], kind: type[Exception], message: str) -> bool:
    """Whether a single image is refused, for this reason and no other."""
    said = ""
    try:
        network(torch.rand(1, network.in_channels, *shape))
    except kind as error:
        said = str(error)
    assert message in said or not said
    return bool(said)


def test_a_single_image_is_fine_where_batch_norm_is_frozen() -> None:
    network = create_model("lenet_bn", seed=0).train()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.eval()
    assert network(torch.rand(1, 1, 28, 28)).shape == (1, 10)


def test_a_refused_image_moves_no_running_statistic() -> None:
    network = create_model("resnet18", seed=0).train()
    with pytest.raises(
        InputError, match=r"batch of 2 or more, images of at least 33 pixels, or network.eval\(\)"
    ):
        network(torch.rand(1, 3, 32, 32))
    assert int(network.get_buffer("stem.1.num_batches_tracked")) == 0


def test_an_empty_batch_gives_no_logits() -> None:
    assert create_model("resnet20", seed=0).eval()(torch.empty(0, 3, 32, 32)).shape == (0, 10)


def test_double_precision_throughout_is_accepted() -> None:
    assert create_model("lenet", seed=0).double()(torch.rand(2, 1, 28, 28).double()).dtype is torch.float64


@pytest.mark.parametrize("value", [0, -1, 2.0, True, "3"])
@pytest.mark.parametrize("name", ["in_channels", "num_classes"])
def test_a_network_built_by_its_class_checks_its_arguments(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        NiN(**{name: value})


def test_a_network_built_by_its_class_names_itself() -> None:
    with pytest.raises(InputError, match="LeNet got"):
        LeNet()(torch.rand(28, 28))


@pytest.mark.parametrize("name", KINDS)
def test_no_network_changes_activations_in_place(name: str) -> None:
    with torch.device("meta"):
        network = small(name)
    in_place = [key for key, layer in network.named_modules() if getattr(layer, "inplace", False)]
    assert in_place == []


def test_the_check_costs_microseconds() -> None:
    network, x = create_model("resnet18", seed=0).train(), torch.rand(2, 3, 64, 64)
    rounds = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(200):
            network.check_input(x)
        rounds.append((time.perf_counter() - start) / 200)
    assert min(rounds) < 100e-6

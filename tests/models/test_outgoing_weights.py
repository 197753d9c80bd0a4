"""Weights go out under torchvision's recorded names and shapes, and come back as they were; timm's layout likewise."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.checkpoints.model_folder import TrainedModel
from convnets.data.preprocess import Preprocess
from convnets.errors import UsageError
from convnets.models.catalogue import create_model
from convnets.models.contract import ImageClassifier
from convnets.models.outgoing_weights import to_timm_state_dict, to_torchvision_state_dict
from convnets.models.torchvision_weights import load_torchvision_state_dict

GOLDEN = Path(__file__).parents[1] / "golden" / "models"
PUBLISHED = sorted(path.stem.removeprefix("torchvision_") for path in GOLDEN.glob("torchvision_*.json"))
OF_TIMM = [name for name in PUBLISHED if name not in ("alexnet", "googlenet_bn")]


def shapes(name: str) -> dict[str, list[int]]:
    recorded: dict[str, list[int]] = json.loads((GOLDEN / f"torchvision_{name}.json").read_text())["shapes"]
    return recorded


def numbered(name: str, **arguments: Any) -> ImageClassifier:
    """The network with a number of its own in every tensor, so that one in another's place shows.

    In half precision, which holds every whole number up to 2048 in half the memory.
    """
    with torch.device("meta"):
        network = create_model(name, **arguments).half()
    assert len(network.state_dict()) <= 2048
    network.to_empty(device="cpu")
    with torch.no_grad():
        for number, tensor in enumerate(network.state_dict().values()):
            tensor.fill_(number)
    return network


def options(name: str) -> dict[str, Any]:
    return {"auxiliary": True} if name == "googlenet_bn" else {}


@pytest.mark.parametrize("name", PUBLISHED)
def test_names_and_shapes_are_torchvisions_and_lead_back(name: str) -> None:
    network = numbered(name, **options(name))
    state = to_torchvision_state_dict(network)
    assert {key: list(value.shape) for key, value in state.items()} == shapes(name)
    before = {key: float(value.flatten()[0]) for key, value in network.state_dict().items()}
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.zero_()
    load_torchvision_state_dict(network, state)
    after = {key: tuple(map(float, value.aminmax())) for key, value in network.state_dict().items()}
    assert after == {key: (number, number) for key, number in before.items()}


@pytest.mark.parametrize("name", OF_TIMM)
def test_timms_names_are_torchvisions_with_vggs_head_as_convolutions(name: str) -> None:
    """timm's own filter of torchvision's files (timm/models/vgg.py), as the names and shapes it leads to."""
    expected = shapes(name)
    if name.startswith("vgg"):
        for old, new, kernel in (("0", "pre_logits.fc1", 7), ("3", "pre_logits.fc2", 1), ("6", "head.fc", 0)):
            weight = expected.pop(f"classifier.{old}.weight")
            shape = [weight[0], weight[1] // kernel**2, kernel, kernel] if kernel else weight
            expected[f"{new}.weight"] = shape
            expected[f"{new}.bias"] = expected.pop(f"classifier.{old}.bias")
    with torch.device("meta"):
        network = create_model(name).half()
    state = to_timm_state_dict(network.to_empty(device="cpu"))
    assert {key: list(value.shape) for key, value in state.items()} == expected


def draw_quickly(weight: Tensor, generator: torch.Generator) -> None:
    """He's scale, from few random numbers: they repeat with a prime, which lines up with no row and no kernel."""
    drawn = torch.randn(65_537, generator=generator) * math.sqrt(2 / max(weight[0].numel(), 512))
    weight.view(-1).copy_(drawn.repeat(weight.numel() // len(drawn) + 1)[: weight.numel()])


def test_vggs_head_as_convolutions_gives_the_same_logits() -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        network = create_model("vgg11", num_classes=3).eval()
    network.to_empty(device="cpu")
    with torch.no_grad():
        for weight in network.parameters():
            draw_quickly(weight, generator)
    state = to_timm_state_dict(network)
    maps = torch.randn(2, 512, 7, 7, generator=generator)
    with torch.inference_mode():
        hidden = F.relu(F.conv2d(maps, state["pre_logits.fc1.weight"], state["pre_logits.fc1.bias"]))
        hidden = F.relu(F.conv2d(hidden, state["pre_logits.fc2.weight"], state["pre_logits.fc2.bias"]))
        logits = F.linear(hidden.mean((2, 3)), state["head.fc.weight"], state["head.fc.bias"])
        assert torch.allclose(logits, network.classify(maps), rtol=1e-4, atol=1e-4)


def test_what_goes_out_is_a_copy_also_of_a_trained_model() -> None:
    network = create_model("resnet18", num_classes=2, seed=0)
    model = TrainedModel(network, ("a", "b"), Preprocess.plain(3, 224))
    state = to_torchvision_state_dict(model)
    state["fc.bias"].fill_(7)
    assert not bool((network.classifier.bias == 7).any())  # type: ignore[union-attr]
    assert list(to_timm_state_dict(model)) == list(state)


def test_networks_without_a_counterpart_are_refused() -> None:
    with pytest.raises(UsageError, match="no weights for lenet; allowed: alexnet"):
        to_torchvision_state_dict(create_model("lenet"))
    with pytest.raises(UsageError, match="timm has no alexnet; allowed: vgg11"), torch.device("meta"):
        to_timm_state_dict(create_model("alexnet", num_classes=2))
    with pytest.raises(UsageError, match="Linear has no counterpart in timm"):
        to_timm_state_dict(torch.nn.Linear(2, 2))
    with pytest.raises(UsageError, match="str has no counterpart"):
        to_torchvision_state_dict("resnet18")  # type: ignore[arg-type]

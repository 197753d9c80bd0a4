"""torchvision's own networks, recorded by record_torchvision.py, are the oracle: their names, shapes and logits."""

from __future__ import annotations

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from convnets.errors import ModelFolderError, UsageError
from convnets.models.catalogue import create_model
from convnets.models.contract import ImageClassifier
from convnets.models.papers.googlenet_bn import GoogLeNetBatchNorm
from convnets.models.torchvision_weights import load_torchvision_state_dict

GOLDEN = Path(__file__).parents[1] / "golden" / "models"
PUBLISHED = sorted(path.stem.removeprefix("torchvision_") for path in GOLDEN.glob("torchvision_*.json"))


def _recorder() -> Any:
    """The script that made the golden files: it holds the formula of their weights and images."""
    spec = spec_from_file_location("record_torchvision", GOLDEN / "record_torchvision.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fill, made_up_images = _recorder().fill, _recorder().made_up_images


def golden(name: str) -> dict[str, Any]:
    return json.loads((GOLDEN / f"torchvision_{name}.json").read_text())


def empty(name: str, **arguments: Any) -> ImageClassifier:
    """The network without the time that random weights take."""
    with torch.device("meta"):
        network = create_model(name, **arguments)
    return network.to_empty(device="cpu").eval()


def agree(ours: Tensor, recorded: list[list[float]]) -> bool:
    theirs = torch.tensor(recorded)
    return bool((ours[:, ::125] - theirs).abs().max() <= 1e-4 * theirs.abs().max())


def test_every_published_network_is_recorded() -> None:
    assert len(PUBLISHED) == 1 + 8 + 1 + 5 + 4


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_name_and_shape_is_taken(name: str) -> None:
    with torch.device("meta"):
        network = create_model(name)
        state = {key: torch.empty(shape) for key, shape in golden(name)["shapes"].items()}
    load_torchvision_state_dict(network, state)


@pytest.mark.parametrize("name", PUBLISHED)
def test_logits_are_those_of_torchvision(name: str) -> None:
    recorded = golden(name)
    network = empty(name)
    load_torchvision_state_dict(network, fill(recorded["shapes"]))
    with torch.inference_mode():
        assert agree(network(made_up_images(2, 3, 64)), recorded["logits"])


def test_auxiliary_logits_are_those_of_torchvision() -> None:
    recorded = golden("googlenet_bn")
    network = empty("googlenet_bn", auxiliary=True)
    assert isinstance(network, GoogLeNetBatchNorm)
    load_torchvision_state_dict(network, fill(recorded["shapes"]))
    with torch.inference_mode():
        outputs = network.forward_with_auxiliary(made_up_images(2, 3, 64))
    # torchvision gives its auxiliary logits as (logits, second, first)
    main, second, first = recorded["auxiliary"]
    assert [agree(*pair) for pair in zip(outputs, (main, first, second), strict=True)] == [True] * 3


def test_auxiliary_heads_without_weights_are_a_mismatch() -> None:
    shapes = {
        key: shape for key, shape in golden("googlenet_bn")["shapes"].items() if not key.startswith("aux")
    }
    network = empty("googlenet_bn", auxiliary=True)
    with pytest.raises(ModelFolderError, match=r"no auxiliary1\.conv\.conv\.weight"):
        load_torchvision_state_dict(network, fill(shapes))


def test_names_of_2017_are_understood() -> None:
    """The files of densenet have norm.1 for norm1, and no counters of batches."""
    recorded = golden("densenet121")
    state = fill(recorded["shapes"])
    legacy = {}
    for key, value in state.items():
        for part in ("norm1", "norm2", "conv1", "conv2"):
            if "denselayer" in key:
                key = key.replace(f".{part}.", f".{part[:-1]}.{part[-1]}.")
        if not key.endswith("num_batches_tracked"):
            legacy[key] = value
    assert "features.denseblock1.denselayer1.norm.1.weight" in legacy
    network = empty("densenet121")
    load_torchvision_state_dict(network, legacy)
    with torch.inference_mode():
        assert agree(network(made_up_images(2, 3, 64)), recorded["logits"])


def test_other_class_count_names_the_remedy() -> None:
    with pytest.raises(
        ModelFolderError, match=r"classifier\.weight is 1000×512, needs 7×512.*num_classes=1000"
    ):
        load_torchvision_state_dict(empty("resnet18", num_classes=7), fill(golden("resnet18")["shapes"]))


def test_a_misfit_leaves_the_network_as_it_was() -> None:
    state = fill(golden("resnet18")["shapes"])
    del state["layer4.1.bn2.bias"]
    state["extra"] = torch.zeros(1)
    network = create_model("resnet18", seed=0)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(ModelFolderError, match=r"resnet18: no stage4\.1\.bn2\.bias; unknown extra$"):
        load_torchvision_state_dict(network, state)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_weights_of_another_depth_are_refused_in_one_line() -> None:
    with pytest.raises(ModelFolderError) as caught:
        load_torchvision_state_dict(empty("resnet34"), fill(golden("resnet18")["shapes"]))
    assert "more" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_network_without_published_weights_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no weights for lenet; allowed: alexnet"):
        load_torchvision_state_dict(create_model("lenet"), {})

"""Weights that torchvision publishes, loaded into the networks of the catalogue.

Each family has one declared map from torchvision's names to ours. Nothing of torchvision is needed: a state dict
is a dictionary of tensors, such as `torch.load(FILE, weights_only=True)` or safetensors give.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from convnets.errors import ModelFolderError, UsageError
from convnets.models.contract import ImageClassifier
from convnets.models.papers.alexnet import AlexNet
from convnets.models.papers.densenet import DenseNet
from convnets.models.papers.googlenet_bn import GoogLeNetBatchNorm
from convnets.models.papers.resnet import ResNet
from convnets.models.papers.vgg import VGG

__all__ = ["Rules", "load_torchvision_state_dict", "named_as_here", "renamed", "torchvision_rules"]

_FAULTS_SHOWN = 2

Rules = Sequence[tuple[str, str]]
"""Regular expressions of torchvision's names and what takes their place, tried from the first to the last."""

# fully connected heads: the last layer is `classifier` here, and those before it are `hidden`
_ALEXNET: Rules = (
    (r"^features\.", "convolutions."),
    (r"^classifier\.1\.", "hidden.3."),
    (r"^classifier\.4\.", "hidden.6."),
    (r"^classifier\.6\.", "classifier."),
)
_VGG_HEAD: Rules = (
    (r"^classifier\.0\.", "hidden.2."),
    (r"^classifier\.3\.", "hidden.5."),
    (r"^classifier\.6\.", "classifier."),
)
_GOOGLENET: Rules = (
    (r"^conv1\.", "stem.0."),
    (r"^conv2\.", "stem.2."),
    (r"^conv3\.", "stem.3."),
    (r"^inception(\d[a-e])\.branch(\d)\.", r"inception.\1.path\2."),
    (r"^aux([12])\.", r"auxiliary\1."),
    (r"^fc\.", "classifier."),
)
_RESNET: Rules = (
    (r"^conv1\.", "stem.0."),
    (r"^bn1\.", "stem.1."),
    (r"^layer(\d)\.", r"stage\1."),
    (r"\.downsample\.", ".skip."),
    (r"^fc\.", "classifier."),
)
_OF_2017 = (r"\.(norm|conv)\.([12])\.", r".\1\2.")  # densenet's files of 2017 have norm.1 for norm1
_DENSENET: Rules = (
    (r"^features\.conv0\.", "stem.0."),
    (r"^features\.norm0\.", "stem.1."),
    (r"^features\.denseblock(\d)\.denselayer(\d+)\.", r"trunk.block\1.layer\2."),
    (r"^features\.transition(\d)\.", r"trunk.transition\1."),
    (r"^features\.norm5\.", "norm."),
)


def _vgg_rules(network: VGG) -> Rules:
    """torchvision numbers the layers of all blocks in one row."""
    ours = [
        f"blocks.{b}.{i}."
        for b, block in enumerate(network.blocks)
        for i in range(len(list(block.children())))
    ]
    return (*((rf"^features\.{number}\.", name) for number, name in enumerate(ours)), *_VGG_HEAD)


def torchvision_rules(network: ImageClassifier) -> Rules:
    """The map from torchvision's names to ours; raises UsageError for a network that torchvision does not publish."""
    if isinstance(network, VGG):
        return _vgg_rules(network)
    by_class: dict[type[ImageClassifier], Rules] = {
        AlexNet: _ALEXNET,
        GoogLeNetBatchNorm: _GOOGLENET,
        ResNet: _RESNET,
        DenseNet: _DENSENET,
    }
    if type(network) not in by_class:
        published = "alexnet, vgg11 to vgg19 and vgg11_bn to vgg19_bn, googlenet_bn, resnet18 to resnet152, densenet121"
        raise UsageError(
            f"torchvision publishes no weights for {_name(network)}; allowed: {published} to densenet201"
        )
    return by_class[type(network)]


def load_torchvision_state_dict(network: ImageClassifier, state_dict: Mapping[str, Tensor]) -> None:
    """Fill `network` with weights under torchvision's names: with all of them or, where one does not fit, none.

    For `alexnet`, `vgg11` to `vgg19` and their `_bn` versions, `googlenet_bn`, `resnet18` to `resnet152`, and
    `densenet121` to `densenet201`. Auxiliary heads in the file are left out when the network has none. Files of
    2017 are understood: `norm.1` for `norm1`, and no counters of batches.

    Raises UsageError for a network that torchvision does not publish; ModelFolderError for any name that is
    missing or too many and any other shape, with the first that do not fit.

    >>> from convnets.models.catalogue import create_model
    >>> network = create_model("resnet18", num_classes=7)
    >>> load_torchvision_state_dict(network, {"conv1.weight": network.stem[0].weight})
    Traceback (most recent call last):
    ...
    convnets.errors.ModelFolderError: weights do not fit resnet18: no stem.1.weight; no stem.1.bias; and 99 more
    """
    tensors = renamed((_OF_2017, *torchvision_rules(network)), state_dict)
    own = network.state_dict()
    if not any(name.startswith("auxiliary") for name in own):
        tensors = {name: value for name, value in tensors.items() if not name.startswith("auxiliary")}
    # a counter of the batches that batch norm has seen changes no prediction
    counters = {name: value for name, value in own.items() if name.endswith(".num_batches_tracked")}
    tensors = counters | tensors
    faults = _faults(own, tensors)
    if faults:
        raise ModelFolderError(f"weights do not fit {_name(network)}: {faults}{_remedy(network, tensors)}")
    network.load_state_dict(tensors)


def named_as_here(network: nn.Module, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """A state dict with torchvision's names under those of `network`; None for names that are not torchvision's.

    >>> from convnets.models.catalogue import create_model
    >>> list(named_as_here(create_model("resnet18"), {"bn1.bias": Tensor(64)}))
    ['stem.1.bias']
    """
    try:
        rules = (_OF_2017, *torchvision_rules(network)) if isinstance(network, ImageClassifier) else ()
    except UsageError:
        return None
    translated = renamed(rules, state_dict)
    own = network.state_dict().keys()
    return translated if len(own & translated.keys()) > len(own & state_dict.keys()) else None


def _name(network: ImageClassifier) -> str:
    return type(network).__name__ if network.architecture is None else network.architecture.name


def renamed(rules: Rules, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under the names that the rules make of theirs."""
    translated = {}
    for name, tensor in state_dict.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        translated[name] = tensor
    return translated


def _faults(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """The first of all that does not fit, in words; empty where everything does."""
    faults = [
        f"{name} is {_shape(given[name])}, needs {_shape(value)}"
        for name, value in own.items()
        if name in given and given[name].shape != value.shape
    ]
    faults += [f"no {name}" for name in own if name not in given]
    faults += [f"unknown {name}" for name in given if name not in own]
    more = [f"and {len(faults) - _FAULTS_SHOWN} more"] if len(faults) > _FAULTS_SHOWN else []
    return "; ".join(faults[:_FAULTS_SHOWN] + more)


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "one number"


def _remedy(network: ImageClassifier, given: Mapping[str, Tensor]) -> str:
    last = given.get("classifier.weight")
    if last is None or last.ndim != 2 or last.shape[0] == network.num_classes:
        return ""
    return f"; build the network with num_classes={last.shape[0]} to load them"

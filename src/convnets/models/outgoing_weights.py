"""Weights of the catalogue's networks as torchvision's and timm's networks take them, where the two are equal.

The names are those of `torchvision_weights.py`, read backwards: one map serves both ways.
"""

from __future__ import annotations

import re
from typing import Protocol

from torch import Tensor, nn

from convnets.errors import UsageError
from convnets.models.contract import ImageClassifier
from convnets.models.papers.alexnet import AlexNet
from convnets.models.papers.googlenet_bn import GoogLeNetBatchNorm
from convnets.models.papers.vgg import VGG
from convnets.models.torchvision_weights import Rules, renamed, torchvision_rules

__all__ = ["to_timm_state_dict", "to_torchvision_state_dict"]

_GROUP = re.compile(r"\([^)]*\)")
# timm has VGG's head as convolutions: on maps of 7×7 the first sums what a linear layer sums
_TIMM_HEAD: Rules = (
    (r"^classifier\.0\.", "pre_logits.fc1."),
    (r"^classifier\.3\.", "pre_logits.fc2."),
    (r"^classifier\.6\.", "head.fc."),
)


class _HoldsNetwork(Protocol):
    """What has a network: a `TrainedModel`."""

    @property
    def network(self) -> nn.Module: ...


def to_torchvision_state_dict(model: nn.Module | _HoldsNetwork) -> dict[str, Tensor]:
    """A network's weights (or a `TrainedModel`'s) under torchvision's names; copies, on the CPU.

    For `alexnet`, `vgg11` to `vgg19` and their `_bn` versions, `googlenet_bn` (there `googlenet`), `resnet18` to
    `resnet152`, and `densenet121` to `densenet201`. The counterpart takes them with `load_state_dict`, is built with
    the same number of classes, and gives the same logits; it has a first layer for RGB.

    Raises UsageError for another network.

    >>> from convnets.models.catalogue import create_model
    >>> list(to_torchvision_state_dict(create_model("resnet18")))[:2]
    ['conv1.weight', 'bn1.weight']
    """
    network = _network(model, "torchvision")
    own = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
    return renamed(_inverse(torchvision_rules(network)), own)


def to_timm_state_dict(model: nn.Module | _HoldsNetwork) -> dict[str, Tensor]:
    """A network's weights (or a `TrainedModel`'s) under timm's names; copies, on the CPU.

    For `vgg11` to `vgg19` and their `_bn` versions, `resnet18` to `resnet152`, and `densenet121` to `densenet201`. The
    counterpart is `timm.create_model(NAME, num_classes=…, in_chans=…)`; it gives the same logits. Of VGG it does so up
    to 255 pixels: above, timm averages answers at several places, and here maps are averaged to 7×7.

    Raises UsageError for another network; timm has neither AlexNet nor the first GoogLeNet.

    >>> from convnets.models.catalogue import create_model
    >>> to_timm_state_dict(create_model("vgg11", num_classes=2))["pre_logits.fc1.weight"].shape
    torch.Size([4096, 512, 7, 7])
    """
    network = _network(model, "timm")
    if isinstance(network, AlexNet | GoogLeNetBatchNorm):
        raise UsageError(
            f"timm has no {_name(network)}; allowed: vgg11 to vgg19 and vgg11_bn to vgg19_bn, resnet18 to resnet152, "
            "densenet121 to densenet201"
        )
    tensors = to_torchvision_state_dict(network)
    if not isinstance(network, VGG):
        return tensors
    return {name: _as_kernel(name, value) for name, value in renamed(_TIMM_HEAD, tensors).items()}


def _network(model: nn.Module | _HoldsNetwork, library: str) -> ImageClassifier:
    network = model if isinstance(model, nn.Module) else getattr(model, "network", None)
    if not isinstance(network, ImageClassifier):
        raise UsageError(
            f"{type(model if network is None else network).__name__} has no counterpart in {library}; allowed: a "
            "network of the catalogue, or a TrainedModel with one"
        )
    return network


def _name(network: ImageClassifier) -> str:
    return type(network).__name__ if network.architecture is None else network.architecture.name


def _as_kernel(name: str, value: Tensor) -> Tensor:
    """A linear layer's weight as that of a convolution over all of its input."""
    if name == "pre_logits.fc1.weight":
        return value.reshape(len(value), -1, 7, 7)
    return value.reshape(*value.shape, 1, 1) if name == "pre_logits.fc2.weight" else value


def _inverse(rules: Rules) -> Rules:
    r"""Rules that lead back: each turned round, the last first.

    >>> _inverse([(r"^layer(\d)\.", r"stage\1."), (r"\.downsample\.", ".skip.")])
    [('\\.skip\\.', '.downsample.'), ('^stage(\\d)\\.', 'layer\\1.')]
    """
    return [_turned(pattern, replacement) for pattern, replacement in reversed(rules)]


def _turned(pattern: str, replacement: str) -> tuple[str, str]:
    groups = _GROUP.findall(pattern)
    back = re.escape(replacement)
    for number, group in enumerate(groups, 1):
        back = back.replace(rf"\\{number}", group)
    places = iter(range(1, len(groups) + 1))
    forward = _GROUP.sub(lambda _: f"\\{next(places)}", pattern.removeprefix("^")).replace(r"\.", ".")
    return ("^" if pattern.startswith("^") else "") + back, forward

"""What is wrong with an input that a network refused, and the remedy, in one line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from convnets.models.contract import ImageClassifier

__all__ = ["describe_fault"]


def describe_fault(network: ImageClassifier, x: Any) -> str:
    """The message for an input that `network` cannot compute: what came, what is allowed, the remedy."""
    name = network.architecture.name if network.architecture is not None else type(network).__name__
    if not isinstance(x, Tensor):
        allowed = f"a float tensor N×{network.in_channels}×H×W"
        return f"{name} got {type(x).__name__}; allowed: {allowed}; use torch.as_tensor"
    got = (
        f"{name} got {'×'.join(map(str, x.shape)) or 'a single number'} {str(x.dtype).removeprefix('torch.')}"
    )
    if x.ndim != 4:
        return f"{got}; allowed: N×{network.in_channels}×H×W; {_dimension_remedy(network, x)}"
    if x.shape[1] != network.in_channels:
        return f"{got}; allowed: N×{network.in_channels}×H×W; {_channel_remedy(network, x)}"
    if not x.is_floating_point():
        scale = "use Preprocess or x.float() / 255" if x.dtype is torch.uint8 else "use x.float()"
        return f"{got}; allowed: floating point; {scale}"
    height, width = x.shape[2:]
    sizes = network.sizes
    if min(height, width) < sizes.smallest or max(height, width) > sizes.largest:
        return f"{got}; {_size_remedy(network, name, x)}"
    if x.dtype is torch.float64:
        return f"{got}; the weights are of another type; use x.float()"
    return f"{got} in training; {_lone_image_remedy(network)}"


def _dimension_remedy(network: ImageClassifier, x: Tensor) -> str:
    if x.ndim == 2:
        return "one H×W image needs x[None, None]"
    if x.ndim == 3 and x.shape[0] == network.in_channels:
        return "one C×H×W image needs x[None]"
    if x.ndim == 3 and x.shape[2] == network.in_channels:
        return "one H×W×C image needs x.permute(2, 0, 1)[None]"
    if x.ndim == 3 and network.in_channels == 1:
        return "a batch of N×H×W grey images needs x[:, None]"
    return "reshape it"


def _channel_remedy(network: ImageClassifier, x: Tensor) -> str:
    wanted, found = network.in_channels, x.shape[1]
    if x.shape[3] == wanted:
        return "it looks like N×H×W×C; use x.permute(0, 3, 1, 2)"
    build = f"build the network with in_channels={found}"
    if found == 1:
        return f"repeat the grey channel with x.expand(-1, {wanted}, -1, -1), or {build}"
    if found == 3 and wanted == 1:
        return f"make it grey with Preprocess(channels=1, …) or x.mean(1, keepdim=True), or {build}"
    return build


def _size_remedy(network: ImageClassifier, name: str, x: Tensor) -> str:
    sizes, side = network.sizes, min(x.shape[2:])
    if sizes.built_for is None:
        return f"the smallest side that {name} takes is {sizes.smallest} pixels; enlarge the images"
    span = f"{sizes.smallest} to {sizes.largest}" if sizes.largest > sizes.smallest else f"{sizes.smallest}"
    build = f", or build the network with input_size={side}" if side >= sizes.smallest_head else ""
    return f"its head was built for {span} pixels; resize the images{build}"


def _lone_image_remedy(network: ImageClassifier) -> str:
    larger = network.sizes.lone_image
    images = "" if math.isinf(larger) else f", images of at least {larger:.0f} pixels"
    return (
        "batch norm would see a single value per channel; allowed: a batch of 2 or more"
        f"{images}, or network.eval(); a loader's last batch of 1 goes with drop_last"
    )

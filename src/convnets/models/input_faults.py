"""What is wrong with an input that a network refused, and the remedy, in one line."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from convnets.models.input_sizes import InputSizes

__all__ = ["describe_fault"]

_SHAPES = {2: "N×{}×H×W", 1: "N×{}×L", 0: "N×{}"}


def describe_fault(
    x: object, name: str, in_channels: int, sizes: InputSizes, *, batch_statistics: bool
) -> str:
    """The message for an input that a network cannot compute: what came, what is allowed, the remedy.

    - `name`: the network's, which the message begins with
    - `in_channels`, `sizes`: what the network was built for
    - `batch_statistics`: whether batch norm would use this batch's own, as in training

    >>> sizes = InputSizes.for_head([(5, 1, 2), (2, 2, 0), (5, 1, 0), (2, 2, 0)], 28)
    >>> describe_fault(torch.zeros(28, 28), "lenet", 1, sizes, batch_statistics=False)
    'lenet got 28×28 float32; allowed: N×1×H×W; one H×W image needs x[None, None]'
    """
    wanted = " or ".join(_SHAPES[axes].format(in_channels) for axes in sizes.axes)
    if not isinstance(x, Tensor):
        return f"{name} got {type(x).__name__}; allowed: a float tensor {wanted}; use torch.as_tensor"
    got = (
        f"{name} got {'×'.join(map(str, x.shape)) or 'a single number'} {str(x.dtype).removeprefix('torch.')}"
    )
    if x.ndim - 2 not in sizes.axes:
        remedy = _dimension_remedy(in_channels, x) if 2 in sizes.axes else "reshape it"
        return f"{got}; allowed: {wanted}; {remedy}"
    if x.shape[1] != in_channels:
        images = x.ndim == 4
        build = f"build the network with in_channels={x.shape[1]}"
        return f"{got}; allowed: {wanted}; {_channel_remedy(in_channels, x) if images else build}"
    if not x.is_floating_point():
        scale = "use Preprocess or x.float() / 255" if x.dtype is torch.uint8 else "use x.float()"
        return f"{got}; allowed: floating point; {scale}"
    low, high = min(x.shape[2:], default=1), max(x.shape[2:], default=1)
    if low < sizes.smallest or high > sizes.largest:
        return f"{got}; {_size_remedy(sizes, name, x)}"
    if batch_statistics and len(x) == 1 and high < sizes.lone_image:
        return f"{got} in training; {_lone_image_remedy(sizes)}"
    return f"{got}; the weights are of another type; use x.float()"


def _dimension_remedy(in_channels: int, x: Tensor) -> str:
    if x.ndim == 2:
        return "one H×W image needs x[None, None]"
    if x.ndim == 3 and x.shape[0] == in_channels:
        return "one C×H×W image needs x[None]"
    if x.ndim == 3 and x.shape[2] == in_channels:
        return "one H×W×C image needs x.permute(2, 0, 1)[None]"
    if x.ndim == 3 and in_channels == 1:
        return "a batch of N×H×W gray images needs x[:, None]"
    return "reshape it"


def _channel_remedy(wanted: int, x: Tensor) -> str:
    found = x.shape[1]
    if x.shape[3] == wanted:
        return "it looks like N×H×W×C; use x.permute(0, 3, 1, 2)"
    build = f"build the network with in_channels={found}"
    if found == 1:
        return f"repeat the gray channel with x.expand(-1, {wanted}, -1, -1), or {build}"
    if found == 3 and wanted == 1:
        return f"make it gray with Preprocess(channels=1, …) or x.mean(1, keepdim=True), or {build}"
    return build


def _size_remedy(sizes: InputSizes, name: str, x: Tensor) -> str:
    side = min(x.shape[2:])
    if sizes.built_for is None:
        return f"the smallest side that {name} takes is {sizes.smallest} pixels; enlarge the images"
    span = f"{sizes.smallest} to {sizes.largest}" if sizes.largest > sizes.smallest else f"{sizes.smallest}"
    build = f", or build the network with input_size={side}" if side >= sizes.smallest_head else ""
    return f"its head was built for {span} pixels; resize the images{build}"


def _lone_image_remedy(sizes: InputSizes) -> str:
    larger = sizes.lone_image
    images = "" if math.isinf(larger) else f", images of at least {larger:.0f} pixels"
    return (
        "batch norm would see a single value per channel; allowed: a batch of 2 or more"
        f"{images}, or network.eval(); a loader's last batch of 1 goes with drop_last"
    )

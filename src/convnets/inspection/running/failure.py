"""Failure: the layer at which a forward pass breaks, the shape it got and the shape it needs, in one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from convnets.inspection.running.recording import Recording
from convnets.models.contract import ImageClassifier

__all__ = ["Failure", "describe_failure"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Failure:
    """Where and why a forward pass broke."""

    layer: str
    """Path of the layer; empty where the network's own forward broke."""
    kind: str
    """Name of its class."""
    got: Shape | None
    """Shape of the first tensor that it got, with N."""
    needs: str
    """What it needs instead; empty where that is not known."""
    reason: str
    """What PyTorch said."""
    remedy: str
    """What to do about it."""

    def __str__(self) -> str:
        where = f"layer {self.layer} ({self.kind})" if self.layer else f"{self.kind} itself"
        got = "no tensor" if self.got is None else "×".join(map(str, self.got)) or "a single number"
        why = f"it needs {self.needs}" if self.needs else self.reason
        return f"{where} got {got}; {why}; {self.remedy}"


def describe_failure(found: Recording, image: Shape | None) -> Failure:
    """What a recording that failed has to say; `image` is the C×H×W that went in, None for other inputs."""
    call = found.failed[-1]
    got = call.input_shapes[0] if call.input_shapes else None
    return Failure(
        layer=call.name,
        kind=type(call.module).__name__,
        got=got,
        needs="" if got is None else _needs(call.module, got),
        reason=(" ".join(str(found.failure).split())[:200] or type(found.failure).__name__).rstrip("."),
        remedy=_remedy(found, image),
    )


def _remedy(found: Recording, image: Shape | None) -> str:
    network = found.root.module
    if isinstance(network, ImageClassifier) and image is not None and len(image) == 3:
        x = torch.empty(1, *image, device="meta")
        if not network._fits(x):
            said = network.input_fault(x).split("; ")[1:]  # the first part says what came
            return "; ".join(part for part in said if not part.startswith("allowed: "))
    if "meta" in str(found.failure) and any(weight.is_meta for weight in network.parameters()):
        return "it looks at values, which the meta device has not: give it weights on the CPU"
    return "give an input of another size, or change the layer"


def _needs(module: nn.Module, got: Shape) -> str:
    for kinds, rule in _RULES:
        if isinstance(module, kinds):
            return rule(module, got)
    return ""


def _sides(value: int | Sequence[int] | None, count: int) -> list[int]:
    """PyTorch's `3` and `(3, 3)` as one number for each axis."""
    return [int(value or 0)] * count if isinstance(value, int | None) else [int(each) for each in value]


def _convolution(layer: nn.Module, got: Shape) -> str:
    assert isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    axes = len(layer.kernel_size)
    if len(got) != axes + 2 or got[1] != layer.in_channels:
        return "×".join(["N", str(layer.in_channels), *_AXES[axes]])
    padding = [0] * axes if isinstance(layer.padding, str) else list(layer.padding)
    windows = zip(layer.kernel_size, padding, layer.dilation, strict=True)
    return _at_least(got, [dilation * (kernel - 1) + 1 - 2 * pad for kernel, pad, dilation in windows])


def _pooling(layer: nn.Module, got: Shape) -> str:
    axes = int(type(layer).__name__[-2])
    if len(got) not in (axes + 1, axes + 2):
        return f"a tensor of {axes + 1} or {axes + 2} axes"
    kernels, paddings = (_sides(getattr(layer, name, 0), axes) for name in ("kernel_size", "padding"))
    dilations = _sides(getattr(layer, "dilation", 1), axes)
    return _at_least(
        got, [d * (k - 1) + 1 - 2 * p for k, p, d in zip(kernels, paddings, dilations, strict=True)]
    )


def _at_least(got: Shape, least: Sequence[int]) -> str:
    """What the window asks for, where it is larger than the padded image."""
    if all(size >= needed for size, needed in zip(got[-len(least) :], least, strict=True)):
        return ""
    return f"at least {'×'.join(str(max(1, side)) for side in least)} in {'×'.join(_AXES[len(least)])}"


def _linear(layer: nn.Module, got: Shape) -> str:
    assert isinstance(layer, nn.Linear)
    return f"{'×'.join(['N', *map(str, got[1:-1])])}×{layer.in_features}" if got else str(layer.in_features)


def _batch_norm(layer: nn.Module, got: Shape) -> str:
    features = getattr(layer, "num_features", 0)
    if len(got) > 1 and got[1] == features:
        return f"an input of {type(layer).__name__[-2:].lower()} images"
    return f"N×{features}" + "×…" * (len(got) > 2)


_AXES = {1: "L", 2: "HW", 3: "DHW"}
_POOLS = tuple(getattr(nn, f"{kind}Pool{axes}d") for kind in ("Max", "Avg") for axes in (1, 2, 3))
_RULES: tuple[tuple[type | tuple[type, ...], Callable[[nn.Module, Shape], str]], ...] = (
    ((nn.Conv1d, nn.Conv2d, nn.Conv3d), _convolution),
    (nn.Linear, _linear),
    (_POOLS, _pooling),
    ((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), _batch_norm),
    (
        nn.LayerNorm,
        lambda layer, _: f"…×{'×'.join(map(str, getattr(layer, 'normalized_shape', ())))}",
    ),
    (
        (nn.RNN, nn.LSTM, nn.GRU),
        lambda layer, _: f"…×{getattr(layer, 'input_size', 0)}",
    ),
    (nn.MultiheadAttention, lambda layer, _: f"…×{getattr(layer, 'embed_dim', 0)}"),
)

"""Edited network: what if a layer had another kernel, stride or width, came twice or not at all. Shapes only."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from convnets.errors import ConfigError, UnknownNameError
from convnets.inspection.cost.summary import inspect
from convnets.inspection.running.passes import image_shape

__all__ = ["Edit", "edited_network"]

_CONVOLUTION = ("kernel_size", "stride", "padding", "out_channels")


@dataclass(frozen=True)
class Edit:
    """One change of one layer; None leaves things as they are."""

    layer: str
    """Path of a module, such as features.0."""
    kernel_size: int | None = None
    stride: int | None = None
    padding: int | None = None
    out_channels: int | None = None
    """Of a convolution or a linear layer: how wide it is."""
    repeat: int | None = None
    """How often the layer or block comes, one after the other; 0 leaves it out."""

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Edit:
        """Raises UnknownNameError for a key that is not one, ConfigError for a value that is no whole number."""
        known = [field.name for field in fields(Edit)]
        for key in values:
            if key not in known:
                raise UnknownNameError("edit", key, known)
        if not isinstance(values.get("layer"), str):
            raise ConfigError("an edit names no layer; give its path, such as features.0")
        lowest = {"padding": 0, "repeat": 0}
        for key, value in values.items():
            if key == "layer" or value is None:
                continue
            if (
                isinstance(value, bool)
                or not isinstance(value, int)
                or not lowest.get(key, 1) <= value <= 65536
            ):
                raise ConfigError(
                    f"{key} of {values['layer']} is {value!r}; allowed: {lowest.get(key, 1)} to 65536"
                )
        return Edit(**values)


def edited_network(
    network: nn.Module, edits: Sequence[Edit], input_size: int | Sequence[int] | None
) -> nn.Module:
    """A copy of `network` without weights (on PyTorch's meta device), changed, for `inspect` and `size_table`.

    Layers after a change take what they are given for images of `input_size`: convolutions, norms and linear layers get
    other input channels. At another size nothing is fitted, so that the layer that breaks is named.
    Raises UnknownNameError for a layer that is not there, ConfigError for a change that a layer cannot take, and
    LayerError where the changed network does not fit together, as where a branch no longer matches its skip.

    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 2))
    >>> wider = edited_network(network, [Edit("0", out_channels=8)], (1, 8, 8))
    >>> wider[3].in_features
    288
    """
    shape = image_shape(network, input_size)
    network = _shadow(network).eval()
    for edit in edits:
        _apply(network, edit)
    if edits:
        _keep_architecture(network)
        _fit_together(network, shape)
    return network


def _fit_together(network: nn.Module, shape: tuple[int, ...]) -> None:
    fitted = nn.Conv2d | nn.Linear | nn.BatchNorm1d | nn.BatchNorm2d
    handles = [each.register_forward_pre_hook(_fit) for each in network.modules() if isinstance(each, fitted)]
    try:
        with torch.no_grad():
            network(torch.empty(1, *shape, device="meta"))
    except Exception:
        inspect(network, shape, fields=False, training=False)
        raise
    finally:
        for handle in handles:
            handle.remove()


def _shadow(network: nn.Module) -> nn.Module:
    """A copy on the meta device; the network itself stays where it is, and its weights are not copied."""
    memo: dict[int, Any] = {}
    for each in (*network.parameters(), *network.buffers()):
        shadow = torch.empty_like(each, device="meta")
        memo[id(each)] = (
            nn.Parameter(shadow, each.requires_grad) if isinstance(each, nn.Parameter) else shadow
        )
    return copy.deepcopy(network, memo)


def _keep_architecture(network: nn.Module) -> None:
    """It is no network of the catalogue any more, whose record would check sizes for it."""
    if "architecture" in vars(network):
        del network.architecture


def _apply(network: nn.Module, edit: Edit) -> None:
    known = dict(network.named_modules())
    if not edit.layer or edit.layer not in known:
        raise UnknownNameError("layer", edit.layer, [name for name in known if name])
    module = known[edit.layer]
    changed = {name: value for name in _CONVOLUTION if (value := getattr(edit, name)) is not None}
    if changed:
        module = _changed(edit.layer, module, changed)
    if edit.repeat == 0:
        module = nn.Identity()
    elif edit.repeat is not None and edit.repeat > 1:
        module = nn.Sequential(module, *(copy.deepcopy(module) for _ in range(edit.repeat - 1)))
    parent, _, name = edit.layer.rpartition(".")
    known[parent].register_module(name, module)


def _changed(path: str, module: nn.Module, changed: Mapping[str, int]) -> nn.Module:
    if isinstance(module, nn.Linear) and set(changed) == {"out_channels"}:
        return nn.Linear(module.in_features, changed["out_channels"], module.bias is not None, device="meta")
    pooling = isinstance(module, nn.MaxPool2d | nn.AvgPool2d) and "out_channels" not in changed
    if isinstance(module, nn.Conv2d):
        given: dict[str, Any] = {
            "in_channels": module.in_channels,
            "out_channels": module.out_channels,
            "kernel_size": module.kernel_size,
            "stride": module.stride,
            "padding": module.padding,
            "dilation": module.dilation,
            "groups": module.groups,
        }
        given |= changed
        if given["out_channels"] % module.groups:
            raise ConfigError(
                f"out_channels of {path} is {given['out_channels']}; allowed: a multiple of its {module.groups} groups"
            )
        return nn.Conv2d(**given, bias=module.bias is not None, device="meta")
    if pooling:
        for name, value in changed.items():
            setattr(module, name, value)
        return module
    kind = type(module).__name__
    raise ConfigError(
        f"{path} is a {kind}, which has no {', '.join(changed)}; kernel, stride and padding belong to convolutions and "
        "poolings, out_channels to convolutions and linear layers"
    )


def _fit(module: nn.Module, inputs: tuple[Any, ...]) -> None:
    """Give a layer the input channels that it gets."""
    x = inputs[0] if inputs and isinstance(inputs[0], Tensor) else None
    if x is None or x.ndim < 2:
        return
    if isinstance(module, nn.Conv2d) and x.shape[1] != module.in_channels and module.groups == 1:
        module.in_channels = x.shape[1]
        shape = (module.out_channels, x.shape[1], *module.kernel_size)
        module.weight = nn.Parameter(torch.empty(shape, device="meta"))
    elif isinstance(module, nn.Linear) and x.shape[-1] != module.in_features:
        module.in_features = x.shape[-1]
        module.weight = nn.Parameter(torch.empty(module.out_features, x.shape[-1], device="meta"))
    elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and x.shape[1] != module.num_features:
        module.num_features = x.shape[1]
        for name in ("weight", "bias"):
            if getattr(module, name) is not None:
                setattr(module, name, nn.Parameter(torch.empty(x.shape[1], device="meta")))
        for name in ("running_mean", "running_var"):
            if getattr(module, name) is not None:
                setattr(module, name, torch.empty(x.shape[1], device="meta"))

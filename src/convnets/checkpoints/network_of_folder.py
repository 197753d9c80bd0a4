"""The network of a model folder: built from its name and arguments, once the weights are known to be its own."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convnets.checkpoints.model_config import CONFIG_FILE
from convnets.core.former_names import current_names
from convnets.errors import ModelFolderError, UsageError
from convnets.models.catalogue import create_model
from convnets.models.ensemble import ENSEMBLE, create_ensemble

__all__ = ["build_network", "check_shapes"]

_MISMATCHES_SHOWN = 3


def build_network(architecture: Any, tensors: Mapping[str, Tensor], folder: Path) -> nn.Module:
    """The network that the configuration names, built only when the weights are its own.

    The shapes are compared on PyTorch's meta device first, where a network takes no memory whatever its size. What
    comes back has memory for its weights and no values in it yet, where that loses nothing: drawing values that the
    weights replace takes a second for VGG, and would move PyTorch's random generator on.
    """
    if architecture is None:
        raise ModelFolderError(
            f"{folder} holds a network from outside the catalogue; pass it: load_model(…, network=…)"
        )
    name, arguments = architecture["name"], architecture["arguments"]
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise TypeError("'architecture', which is a name and its arguments")
    try:
        build = create_ensemble if name == ENSEMBLE else functools.partial(create_model, name)
        with torch.device("meta"):
            plan = build(**(arguments := current_names(arguments)))
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001  PyTorch answers sizes beyond any machine with this or that
        raise ModelFolderError(
            f"{folder / CONFIG_FILE}: {name!r:.60} cannot be built from its arguments ({str(error)[:80]})"
        ) from None
    check_shapes(plan, tensors, folder)
    return plan.to_empty(device="cpu") if _is_its_state(plan) else build(**arguments)


def _is_its_state(network: nn.Module) -> bool:
    """Whether its weights and buffers in `state_dict` are all the tensors that it has, and none is in two places."""
    state = network.state_dict()
    kept = [*network.named_parameters(remove_duplicate=False), *network.named_buffers(remove_duplicate=False)]
    loose = any(isinstance(value, Tensor) for module in network.modules() for value in vars(module).values())
    alone = len({id(value) for _, value in kept}) == len(kept)
    return alone and not loose and all(name in state for name, _ in kept)


def check_shapes(network: nn.Module, tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Raise ModelFolderError, listing the first mismatches, unless names, shapes and kinds of number are equal."""
    own = network.state_dict()
    wrong = [f"{name} is missing" for name in own if name not in tensors]
    wrong += [f"{name[:80]} is not in the network" for name in tensors if name not in own]
    for name, value in own.items():
        given = tensors.get(name, value)
        if given.shape != value.shape:
            wrong.append(f"{name} is {tuple(given.shape)}, needs {tuple(value.shape)}")
        elif given.is_floating_point() != value.is_floating_point():
            wrong.append(f"{name} is {given.dtype}, needs {value.dtype}")
    if wrong:
        more = f" and {len(wrong) - _MISMATCHES_SHOWN} more" if len(wrong) > _MISMATCHES_SHOWN else ""
        first = "; ".join(wrong[:_MISMATCHES_SHOWN])
        raise ModelFolderError(f"{folder}: weights of another network: {first}{more}")

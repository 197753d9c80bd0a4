"""Obstacles: what on a network's modules changes what they compute, and would be lost in a graph of known layers."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

__all__ = ["find_obstacle"]

# Classes whose forward is known to take the same path for every batch. Another class might decide by a random
# number or by its input, and tracing would freeze that decision.
_KNOWN = ("torch.nn.", "convnets.")
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_CALLS = ("forward", "__call__", "_call_impl", "_wrapped_call_impl")
_COMPILED = "_compiled_call_impl"  # set by Module.compile, which computes the same
_PLAIN = (Tensor, nn.Parameter, nn.Buffer)


def find_obstacle(network: nn.Module) -> str | None:
    """Why `network` cannot be replaced by a graph of its layers, in a few words that name the module; else None.

    >>> network = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    >>> network[1].forward = lambda x: x.abs()
    >>> find_obstacle(network), find_obstacle(nn.ReLU())
    ("forward of module '1' (ReLU) was replaced", None)
    """
    if any(getattr(nn.modules.module, f"_global{hooks}", None) for hooks in _HOOKS):
        return "a hook is set on all modules"
    for name, module in network.named_modules():
        shown = f"module '{name}' ({type(module).__name__})" if name else f"the {type(module).__name__}"
        if (found := _obstacle_of(module, shown)) is not None:
            return found
    return None


def _obstacle_of(module: nn.Module, shown: str) -> str | None:
    kind = type(module)
    if is_parametrized(module):
        return f"{shown} is parametrized"
    if not kind.__module__.startswith(_KNOWN):
        return f"{shown} is of a class from elsewhere"
    if any(getattr(module, hooks, None) for hooks in _HOOKS):
        return f"a hook is set on {shown}"
    for name in vars(module):
        if name != _COMPILED and callable(getattr(kind, name, None)):
            return f"{name} of {shown} was replaced"
    for name in _CALLS:
        if not _is_known(getattr(kind, name)):
            return f"{name} of the class {kind.__name__}, that of {shown}, was replaced"
    for name, tensor in (*module._parameters.items(), *module._buffers.items()):
        if tensor is not None and type(tensor) not in _PLAIN:
            return f"{name} of {shown} is a {type(tensor).__name__}"
    return None


def _is_known(function: Any) -> bool:
    """Whether a method is PyTorch's or ours, and not one that was set on the class later."""
    return str(getattr(function, "__module__", "")).startswith(("torch.nn", "convnets."))

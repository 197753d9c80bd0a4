"""Preserve state: whatever a forward pass changes in a network's modules is put back after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from convnets.errors import InputError

__all__ = ["meta_copy_of", "preserve_state", "put_meta_tensors_in"]


@contextmanager
def preserve_state(network: nn.Module) -> Iterator[None]:
    """Leave the attributes, modes, parameters, buffers and hooks of every module as they were before the block.

    Attributes get back the very objects that they held, and lists, dicts and sets among these their content.
    Values inside tensors are not copied: work on meta tensors (`put_meta_tensors_in`) where they could change.

    >>> layer = nn.Linear(2, 2)
    >>> with preserve_state(layer):
    ...     layer.eval().note = "seen"
    >>> layer.training, hasattr(layer, "note")
    (True, False)
    """
    before = [(module.__dict__, dict(module.__dict__)) for module in network.modules()]
    contents = [
        (held, held.copy() if held else ())  # most are empty
        for _, values in before
        for held in values.values()
        if isinstance(held, dict | list | set)
    ]
    fast_path = torch.backends.mha.get_fastpath_enabled()
    # the fused operator of a whole Transformer layer would hide the layers inside from their hooks
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        for attributes, values in before:
            attributes.clear()
            attributes.update(values)
        for held, content in contents:
            if held or content:
                _refill(held, content)


def _refill(held: Any, content: Any) -> None:
    held.clear()
    (held.extend if isinstance(held, list) else held.update)(content)


def meta_copy_of(tensor: Tensor) -> Tensor:
    """A tensor of the same shape, strides and type on the meta device, where nothing is computed."""
    return torch.empty_strided(
        tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta", requires_grad=False
    )


def put_meta_tensors_in(network: nn.Module) -> list[Tensor]:
    """Put meta tensors in the place of all parameters, buffers and tensors that are attributes; returns them.

    A tensor that several modules share has one meta tensor, which they share. Call it within `preserve_state`.
    Raises InputError for parameters that have no shape yet.
    """
    made: dict[int, Tensor] = {}

    def on_meta(tensor: Tensor) -> Tensor:
        if id(tensor) not in made:
            copied = meta_copy_of(tensor.detach())
            if isinstance(tensor, nn.Parameter):
                copied = nn.Parameter(copied, requires_grad=tensor.requires_grad)
            made[id(tensor)] = copied
        return made[id(tensor)]

    for name, module in network.named_modules():
        for key, parameter in list(module._parameters.items()):
            if parameter is not None:
                if is_lazy(parameter):
                    raise InputError(
                        f"parameter {f'{name}.{key}'.lstrip('.')} has no shape yet; run one batch through the "
                        "network first"
                    )
                setattr(
                    module, key, on_meta(parameter)
                )  # recurrent layers keep a list beside, by __setattr__
        _replace(module._buffers, on_meta)
        _replace(module.__dict__, on_meta)
    return list(made.values())


def _replace(values: dict[str, Any], on_meta: Callable[[Tensor], Tensor]) -> None:
    for key, value in values.items():
        if isinstance(value, Tensor):
            values[key] = on_meta(value)

"""PyTorch's SGD and AdamW, ready at once: the same steps to the bit, without waiting for PyTorch's compiler.

PyTorch wraps the methods of its optimizers so that `torch.compile` treats them rightly, and the wrappers import the
compiler at their first call: 1.3 s and 600 modules that an optimizer which is not compiled has no use for. The
methods below are the ones inside those wrappers. This file is the one place that reaches for them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["SGD", "AdamW", "PromptOptimizer"]


class PromptOptimizer(torch.optim.Optimizer):
    """An optimizer whose own methods come without the compiler; a `step` is to be written by who inherits from it."""

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)


class SGD(PromptOptimizer, torch.optim.SGD):
    """`torch.optim.SGD`, ready at once.

    >>> weight = torch.nn.Parameter(torch.ones(1))
    >>> weight.grad = torch.ones(1)
    >>> SGD([weight], lr=0.25).step()
    >>> weight.item()
    0.75
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """One update of every parameter that has a gradient."""
        return inspect.unwrap(torch.optim.SGD.step)(self, closure)


class AdamW(PromptOptimizer, torch.optim.AdamW):
    """`torch.optim.AdamW`, ready at once.

    >>> weight = torch.nn.Parameter(torch.ones(1))
    >>> weight.grad = torch.ones(1)
    >>> AdamW([weight], lr=0.25, weight_decay=0.0).step()
    >>> weight.item()
    0.75
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """One update of every parameter that has a gradient."""
        return inspect.unwrap(torch.optim.AdamW.step)(self, closure)

"""Shared start: what a network computes before the first part that is switched off is computed once for a batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["SharedStart"]


@dataclass(eq=False)
class _Run:
    """A module that runs, or ran."""

    module: nn.Module
    within: list[_Run] = field(default_factory=list)
    """What ran inside it, in order."""
    ended: bool = False


class SharedStart:
    """Lets modules that end before any of `parts` begins give again what they gave for the same batch.

    Only those that are called once, give one tensor that shares no memory with what they were given, and change
    nothing of that. It puts functions in the place of the modules' `forward`: use it inside `preserve_state`, which
    takes them away. A pass with `again` need not be right for every network; compare one with the pass before it.
    """

    def __init__(self, network: nn.Module, parts: Collection[str]) -> None:
        self._parts = {network.get_submodule(path) for path in parts}
        self._network = network
        self._open = [_Run(network)]
        self._before: list[_Run] | None = None
        self._times: Counter[nn.Module] = Counter()
        self._unfit: set[nn.Module] = set()
        self._given: dict[nn.Module, Tensor] = {}
        self._copies: dict[nn.Module, Tensor] = {}
        self._untouched: set[nn.Module] = set()
        self._again = False
        for module in network.modules():
            if module is not network and not isinstance(module, torch.jit.ScriptModule):
                module.forward = self._instead(module, module.forward)

    def run(self, run: Callable[[], Tensor], *, again: bool) -> Tensor:
        """What `run`, a pass through the network, gives; `again` for the same images as the last pass without it."""
        self._again = again and self._before is not None
        if not again:
            self._open, self._before = [_Run(self._network)], None
            self._times.clear()
            self._given.clear()
            self._untouched.clear()
        given = run()
        if not again:
            self._keep_outermost()
        # what nothing in place has changed need not be copied for the passes to come
        self._untouched |= {module for module, copy in self._copies.items() if copy._version == 0}
        self._copies.clear()
        return given

    def _instead(self, module: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            if self._again:
                known = self._given.get(module)
                if known is None:
                    return forward(*args, **kwargs)
                if module in self._untouched:
                    return known
                self._copies[module] = known.clone()
                return self._copies[module]
            if self._before is not None:
                self._times[module] += 1
                return forward(*args, **kwargs)
            return self._first(module, forward, args, kwargs)

        return run

    def _first(self, module: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """A call before any part has begun; noted with what it gives."""
        self._times[module] += 1
        if module in self._parts:
            self._before = [run for each in self._open for run in each.within if run.ended]
            return forward(*args, **kwargs)
        this = _Run(module)
        self._open[-1].within.append(this)
        self._open.append(this)
        tensors = [each for each in (*args, *kwargs.values()) if isinstance(each, Tensor)]
        versions = [each._version for each in tensors]
        found = forward(*args, **kwargs)
        if self._before is None:
            self._open.pop()
            this.ended = True
            for inside in this.within:  # the outermost module stands for those inside
                self._given.pop(inside.module, None)
            this.within.clear()
            if len(tensors) != len(args) + len(kwargs) or not _is_apart(found, tensors, versions):
                self._unfit.add(module)
            elif module not in self._unfit:
                self._given[module] = found.clone()
        return found

    def _keep_outermost(self) -> None:
        outermost = {run.module for run in self._before or ()}
        wanted = {each for each in outermost - self._unfit if self._times[each] == 1}
        self._given = {module: given for module, given in self._given.items() if module in wanted}


def _is_apart(found: Any, tensors: list[Tensor], versions: list[int]) -> bool:
    if not isinstance(found, Tensor) or [each._version for each in tensors] != versions:
        return False
    storages = {each.untyped_storage().data_ptr() for each in tensors}
    return found.untyped_storage().data_ptr() not in storages

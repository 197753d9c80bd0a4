"""HealthWatch: takes the measure of every layer's output while a network runs, and of the gradient on its way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

__all__ = ["HealthWatch", "Output"]

_FLAT = 0.05  # of the steepest slope; a sigmoid is that flat beyond ±4.4, tanh beyond ±2.2

# a function's slope by its output, as a share of the steepest
_SLOPES: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": lambda y: 4 * y * (1 - y),
    "tanh": lambda y: 1 - y * y,
    "hardsigmoid": lambda y: ((y > 0) & (y < 1)).float(),
}
_RECTIFIERS = ("relu", "relu6", "threshold")


@dataclass
class Output:
    """What one layer or activation gave."""

    module: nn.Module | None
    """None for an activation that is a plain function."""
    name: str
    kind: str
    number: int
    shape: tuple[int, ...]
    mean: float
    spread: float
    image_spread: float | None
    shares: dict[str, float]
    """zeros, dead, saturated, as far as they mean something here."""
    has_weights: bool
    """A parameter of its own has two axes or more."""
    alike: bool
    gradient: float | None = None


@dataclass
class _Open:
    """A module that is running."""

    path: str
    module: nn.Module
    shares: dict[str, float] | None = None


class HealthWatch(TorchFunctionMode):
    """Measures inside `with watch.watching():`; every hook is gone after it. `outputs` are in the order they came."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.outputs: list[Output] = []
        self._paths = {module: path for path, module in network.named_modules()}
        self._open = [_Open("", network)]
        self._number = 0
        self._calls: dict[str, int] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """See functions, and calls of modules."""
        hooks = []
        try:
            for module in self._paths:
                if isinstance(module, torch.jit.ScriptModule):  # takes no hooks; what it gives is not seen
                    continue
                hooks.append(module.register_forward_pre_hook(self._enter))
                hooks.append(module.register_forward_hook(self._leave))
            with self:
                yield
        finally:
            for hook in hooks:
                hook.remove()

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        name = getattr(function, "__name__", "").rstrip("_")
        if name in (*_SLOPES, *_RECTIFIERS, "hardtanh") and isinstance(result, Tensor):
            limits = (0.0, 6.0)
            if name == "hardtanh":  # so is ReLU6, as a module
                given = dict(zip(("min_val", "max_val"), args[1:3], strict=False)) | (kwargs or {})
                limits = given.get("min_val", -1.0), given.get("max_val", 1.0)
            shares, running = _shares(name, result.detach(), *limits), self._open[-1]
            if any(running.module.children()):  # a function that a block calls is a layer of its own
                self._note(None, f"{running.path}.{name}".lstrip("."), name, result, shares)
            else:
                running.shares = shares
        return result

    def _enter(self, module: nn.Module, _: Any) -> None:
        if _has_weights(module) and not any(module.children()):
            self._number += 1
        self._open.append(_Open(self._paths[module], module))

    def _leave(self, module: nn.Module, _: Any, output: Any) -> None:
        while (running := self._open.pop()).module is not module:
            pass  # a layer that failed in a way that its caller could handle
        given = next((each for each in _tensors(output) if each.is_floating_point()), None)
        if given is not None and (running.shares is not None or _own(module)):
            self._note(module, running.path, type(module).__name__, given, running.shares or {})

    def _note(
        self, module: nn.Module | None, name: str, kind: str, given: Tensor, shares: dict[str, float]
    ) -> None:
        has_weights = module is not None and _has_weights(module)
        times = self._calls[name] = self._calls.get(name, 0) + 1
        with torch.no_grad(), torch._C.DisableTorchFunction():
            values = given.detach().float()
            of_images = len(values) > 1 and values.ndim > 1
            output = Output(
                module=module,
                name=(name or kind) + (f" ({times})" if times > 1 else ""),
                kind=kind,
                number=self._number,
                shape=tuple(given.shape),
                mean=float(values.mean()),
                spread=float(values.std(correction=0)),
                image_spread=float(values.var(0, correction=0).mean().sqrt()) if of_images else None,
                shares=shares,
                has_weights=has_weights,
                alike=has_weights and _alike(values),
            )
        self.outputs.append(output)
        if given.requires_grad:

            def receive(gradient: Tensor) -> None:
                by_image = gradient.detach().float().flatten(1) if gradient.ndim > 1 else gradient.view(-1, 1)
                # the loss is a mean over the images: times N, what one image says
                output.gradient = float(by_image.norm(dim=1).mean()) * len(by_image)

            given.register_hook(receive)  # type: ignore[no-untyped-call]


def _shares(name: str, y: Tensor, low: float, high: float) -> dict[str, float]:
    found = {}
    with torch.no_grad(), torch._C.DisableTorchFunction():
        y = y.float()
        if name in _RECTIFIERS or (name == "hardtanh" and low == 0):
            silent = y == 0
            units = silent.transpose(0, 1).flatten(1).all(1) if y.ndim > 1 else silent
            found = {"zeros": float(silent.float().mean()), "dead": float(units.float().mean())}
        if name in _SLOPES:
            found["saturated"] = float((_SLOPES[name](y) < _FLAT).float().mean())
        elif name in ("relu6", "hardtanh"):
            found["saturated"] = float(((y >= high) | (y <= low) & (low != 0)).float().mean())
    return found


def _alike(values: Tensor) -> bool:
    """Whether all units differ by a constant only; a unit that never changes says nothing."""
    if values.ndim < 2 or values.shape[1] < 2 or not values.isfinite().all():
        return False
    units = values.transpose(0, 1).flatten(1)
    units = units - units.mean(1, keepdim=True)
    largest = units.abs().max()
    return bool(largest > 0) and bool((units - units[:1]).abs().max() <= 1e-5 * largest)


def _own(module: nn.Module) -> list[nn.Parameter]:
    return list(module.parameters(recurse=False))


def _has_weights(module: nn.Module) -> bool:
    return any(parameter.ndim > 1 for parameter in _own(module))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _tensors(each)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))

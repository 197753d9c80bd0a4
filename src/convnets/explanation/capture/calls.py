"""Calls: which layers run for one image, in which order, and what autograd records of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from convnets.explanation.capture.autograd_nodes import AutogradNode, nodes_below
from convnets.explanation.capture.undisturbed_pass import undisturbed_pass
from convnets.models.answers import logits_of

__all__ = ["Calls", "LayerCall", "find_calls"]


@dataclass(frozen=True)
class LayerCall:
    """One call of one module."""

    name: str
    """Its path in the network, such as `stage4`; with the call's number, `relu (2)`, where it is called more often."""
    path: str
    number: int
    """1 for the module's first call."""
    kind: str
    """The module's class."""
    shape: tuple[int, ...] | None
    """Of what it gives for one image, batch axis included; None where that is not one tensor."""
    is_leaf: bool
    """Whether no other module runs inside it."""
    counts: bool
    """Whether the logits depend on what it gives."""

    @property
    def has_maps(self) -> bool:
        """Whether it gives feature maps N×C×H×W of more than one position."""
        return self.shape is not None and len(self.shape) == 4 and self.shape[2] * self.shape[3] > 1


@dataclass(frozen=True)
class Calls:
    """What one image went through."""

    network: str
    """The network's class."""
    all: tuple[LayerCall, ...]
    """In the order in which they end; the network itself is not among them."""
    classes: int
    """K, how many logits there are."""
    operations: Counter[str]
    """How often each operation is on the way from the image to the logits, by autograd's name (`ReluBackward0`)."""
    functional_relus: tuple[str, ...]
    """Modules whose own code calls a ReLU as a function, once for each call; `forward` is the network's."""
    reused_relus: tuple[str, ...]
    """Paths of ReLU modules that are called more than once."""
    kept_bytes: int
    """What autograd keeps of one image for the backward pass."""
    largest_bytes: int
    """Of the largest tensor that a module gives for one image."""


def find_calls(network: nn.Module, image: Tensor) -> Calls:
    """Run `image` (float 1×C×H×W, normalized) through `network` once and tell what happened.

    The network runs in evaluation mode and is left as found. Raises InputError where its answer is not logits.

    >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    >>> [call.name for call in find_calls(network, torch.zeros(1, 1, 4, 4)).all]
    ['0', '1', '2', '3']
    """
    with undisturbed_pass(network), torch.enable_grad():
        probe = _Probe(network)
        x = image.detach().clone().requires_grad_(True)
        with probe.listening(), torch.autograd.graph.saved_tensors_hooks(probe.keep, lambda kept: kept):
            logits = logits_of(network(x))
        nodes = nodes_below(logits.grad_fn)
        found = probe.calls(nodes)
        return Calls(
            type(network).__name__,
            tuple(found),
            logits.shape[1],
            Counter(node.name() for node in nodes),
            tuple(probe.places_of_functional_relus(nodes)),
            tuple(dict.fromkeys(call.path for call in found if call.kind == "ReLU" and call.number > 1)),
            probe.kept_bytes,
            max((each.largest for each in probe.ended), default=0),
        )


@dataclass
class _Begun:
    path: str
    kind: str
    number: int
    first: int
    """Number that autograd gives to the first operation inside."""
    is_leaf: bool = True
    last: int = 0
    node: AutogradNode | None = None
    shape: tuple[int, ...] | None = None
    largest: int = 0


@dataclass
class _Probe:
    network: nn.Module
    ended: list[_Begun] = field(default_factory=list)
    kept_bytes: int = 0

    def __post_init__(self) -> None:
        self._paths = {module: path for path, module in self.network.named_modules() if path}
        self._open: list[_Begun] = []
        self._numbers: Counter[str] = Counter()
        weights = [*self.network.parameters(), *self.network.buffers()]
        self._seen = {each.untyped_storage().data_ptr() for each in weights}

    @contextmanager
    def listening(self) -> Iterator[None]:
        hooks = []
        for module in self._paths:
            if not isinstance(module, torch.jit.ScriptModule):
                hooks.append(module.register_forward_pre_hook(self._enter))
                hooks.append(module.register_forward_hook(self._leave))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _enter(self, module: nn.Module, given: Any) -> None:  # noqa: ARG002  a hook's signature
        path = self._paths[module]
        self._numbers[path] += 1
        if self._open:
            self._open[-1].is_leaf = False
        self._open.append(_Begun(path, type(module).__name__, self._numbers[path], _now()))

    def _leave(self, module: nn.Module, given: Any, output: Any) -> None:  # noqa: ARG002  a hook's signature
        call = self._open.pop()
        call.last = _now()
        if isinstance(output, Tensor):
            call.node, call.shape = output.grad_fn, tuple(output.shape)
            call.largest = output.numel() * output.element_size()
        self.ended.append(call)

    def keep(self, tensor: Tensor) -> Tensor:
        """Count what autograd keeps, each storage once, without the weights."""
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._seen:
            self._seen.add(storage.data_ptr())
            self.kept_bytes += storage.nbytes()
        return tensor

    def calls(self, nodes: list[AutogradNode]) -> list[LayerCall]:
        reached = set(nodes)
        found = []
        for each in self.ended:
            name = f"{each.path} ({each.number})" if self._numbers[each.path] > 1 else each.path
            call = LayerCall(name, each.path, each.number, each.kind, each.shape, each.is_leaf, counts=False)
            found.append(replace(call, counts=each.node in reached))
        return found

    def places_of_functional_relus(self, nodes: list[AutogradNode]) -> Iterator[str]:
        own = {each.node for each in self.ended if each.kind == "ReLU"}
        for node in nodes:
            if node.name() == "ReluBackward0" and node not in own:
                number = node._sequence_nr()
                around = [each for each in self.ended if each.first < number < each.last]
                yield min(around, key=lambda each: each.last - each.first).path if around else "forward"


def _now() -> int:
    """The number that autograd would give to an operation now: it counts upwards."""
    node: AutogradNode | None = torch.zeros(1, requires_grad=True, device="cpu").clone().grad_fn
    assert node is not None
    return node._sequence_nr()

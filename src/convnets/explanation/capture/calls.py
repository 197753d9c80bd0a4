"""Calls: which layers run for one image, in which order, and what autograd records of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from convnets.explanation.capture.autograd_nodes import AutogradNode, nodes_below
from convnets.explanation.capture.network_mark import NetworkMark, mark_network
from convnets.explanation.capture.undisturbed_pass import undisturbed_pass
from convnets.inspection.running.operator_mode import OperatorMode
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
    device: str
    """Where the logits are: `cpu`, `cuda`."""


_Known = tuple[tuple[object, ...], NetworkMark, Calls]
_KEPT = 4  # looks of a network, such as at images of several sizes
_known: WeakKeyDictionary[nn.Module, list[_Known]] = WeakKeyDictionary()


def find_calls(network: nn.Module, image: Tensor) -> Calls:
    """Run `image` (float 1×C×H×W, normalized) through `network` once and tell what happened.

    The network runs in evaluation mode and is left as found. What was found is remembered for images of this shape
    while nothing that can be seen of the network changes: modules, attributes, hooks, code, kinds of tensors. A
    network that asks for values on its way (`if x.mean() > 0`) is looked at each time.
    Raises InputError where its answer is not logits.

    >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    >>> [call.name for call in find_calls(network, torch.zeros(1, 1, 4, 4)).all]
    ['0', '1', '2', '3']
    """
    mark = mark_network(network)
    kind = (type(image), image.shape, image.dtype, image.device)
    kept = _known.get(network, [])
    for known_kind, known_mark, calls in kept:
        if known_kind == kind and mark is not None and known_mark == mark:
            return calls
    with _ValuesAskedFor() as asked:
        calls = _look(network, image)
    if mark is not None and not asked.some and mark == mark_network(network):
        others = [each for each in kept if each[0] != kind]
        _known[network] = [*others[1 - _KEPT :], (kind, mark, calls)]
    return calls


class _ValuesAskedFor(OperatorMode):
    """Notes whether a tensor's value became a number of Python's, on which the way of other images may depend."""

    some = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.some = self.some or func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def _look(network: nn.Module, image: Tensor) -> Calls:
    with undisturbed_pass(network), torch.enable_grad():
        probe = _Probe(network)
        kept = probe.kept
        x = image.detach().clone().requires_grad_(True)
        with probe.listening(), torch.autograd.graph.saved_tensors_hooks(kept.keep, lambda tensor: tensor):
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
            kept.bytes,
            max((each.largest for each in probe.ended), default=0),
            logits.device.type,
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


class _Kept:
    """Counts what autograd keeps, each storage once, without the weights.

    The graph holds on to it, so that it must not know the graph: Python could not tell that nobody needs the two.
    """

    def __init__(self, weights: list[Tensor]) -> None:
        self.bytes = 0
        self._seen = {each.untyped_storage().data_ptr() for each in weights}

    def keep(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._seen:
            self._seen.add(storage.data_ptr())
            self.bytes += storage.nbytes()
        return tensor


@dataclass
class _Probe:
    network: nn.Module
    ended: list[_Begun] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._paths = {module: path for path, module in self.network.named_modules() if path}
        self._open: list[_Begun] = []
        self._numbers: Counter[str] = Counter()
        self.kept = _Kept([*self.network.parameters(), *self.network.buffers()])

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
    with torch.enable_grad():  # also where the network switched recording off
        node: AutogradNode | None = torch.zeros(1, requires_grad=True, device="cpu").clone().grad_fn
    assert node is not None
    return node._sequence_nr()

"""GraphRecorder: watches a network run, and notes each operation, what it took, what it gave and in which module.

It sees the functions themselves, not the source, so loops, branches and modules of any kind are no obstacle.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from convnets.inspection.graph.network_graph import GraphNode, ModuleCall, TensorSource
from convnets.inspection.graph.operations import family_of, function_name, is_bookkeeping, settings_of

__all__ = ["GraphRecorder", "tensors_in"]


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists, dictionaries and objects with fields, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from tensors_in(each)
    elif isinstance(value, tuple | list | set):
        for each in value:
            yield from tensors_in(each)
    elif hasattr(value, "__dataclass_fields__"):
        yield from tensors_in(vars(value))


class GraphRecorder(TorchFunctionMode):
    """Notes what runs inside its `with` block; `nodes` and `calls` are complete when the block is left.

    A tensor that comes from parameters, buffers and other tensors that modules hold, and not from `inputs`, is a
    constant and makes no node. What the nodes `keep` gave, as it was then, is `kept` by their indices.
    """

    def __init__(self, network: nn.Module, inputs: tuple[Tensor, ...], keep: Collection[int] = ()) -> None:
        super().__init__()
        self.nodes: list[GraphNode] = []
        self.calls = [ModuleCall(0, "", type(network).__name__, None)]
        self.kept: dict[int, tuple[Tensor, ...]] = {}
        self._keep = frozenset(keep)
        self._network = network
        self._paths = {module: path for path, module in network.named_modules()}
        self._open = [0]
        self._entered: dict[int, list[TensorSource]] = {}
        self._made: dict[int, TensorSource] = {}
        self._weights: dict[int, frozenset[int]] = {}
        self._sizes: list[int] = []
        self._alive: list[Tensor] = []  # so that no tensor takes the identity of one that has gone
        self.used: set[str] = set()
        """Names of the parameters that operations on the data took."""
        self._names: list[str] = []
        for name, weight in (*network.named_parameters(), *network.named_buffers()):
            self._add_weight(name, weight)
        for module in network.modules():
            for constant in tensors_in(list(vars(module).values())):
                self._weights.setdefault(id(constant), frozenset())
        for number, tensor in enumerate(inputs):
            name = "input" if len(inputs) == 1 else f"input{number + 1}"
            self._note(name, "input", [], [tensor], ())
        self._entered[0] = [TensorSource(node.index) for node in self.nodes]

    def _add_weight(self, name: str, weight: Tensor) -> None:
        if id(weight) not in self._weights:
            self._weights[id(weight)] = frozenset([len(self._sizes)])
            self._sizes.append(weight.numel() if isinstance(weight, nn.Parameter) else 0)
            self._names.append(name)
            self._alive.append(weight)

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        taken = list(tensors_in((args, kwargs)))
        result = function(*args, **kwargs)
        given = list(tensors_in(result))
        if given:
            self._record(function_name(function), taken, given, (args, kwargs))
        return result

    def _record(self, name: str, taken: list[Tensor], given: list[Tensor], arguments: Any) -> None:
        sources = [self._source(each) for each in taken]
        data = [each for each in sources if each is not None]
        used = frozenset[int]().union(*(self._weights.get(id(each), frozenset()) for each in taken))
        self._alive += given
        if not data:
            for tensor in given:
                self._weights.setdefault(id(tensor), used)
        elif is_bookkeeping(name):
            for tensor in given:
                self._made[id(tensor)] = data[0]
        else:
            args, kwargs = arguments
            self._note(self._place(name), name, data, given, settings_of(name, args, kwargs), used)

    def _note(
        self,
        path: str,
        name: str,
        data: list[TensorSource],
        given: list[Tensor],
        settings: tuple[tuple[str, Any], ...],
        used: frozenset[int] = frozenset(),
    ) -> None:
        index = len(self.nodes)
        shapes = tuple(tuple(int(side) for side in each.shape) for each in given)
        count = sum(self._sizes[number] for number in used)
        self.used.update(self._names[number] for number in used)
        family = family_of(name, len(data))
        self.nodes.append(
            GraphNode(index, path, name, name, family, self._open[-1], tuple(data), shapes, settings, count)
        )
        if index in self._keep:
            self.kept[index] = tuple(
                each.clone() for each in given
            )  # what comes later may change it in place
        for output, tensor in enumerate(given):
            self._made[id(tensor)] = TensorSource(index, output)
        self._alive += given

    def _source(self, tensor: Tensor) -> TensorSource | None:
        """Where a tensor comes from; None for a constant. One that nobody saw being made comes from `unseen` work."""
        if id(tensor) in self._made:
            return self._made[id(tensor)]
        if id(tensor) in self._weights or isinstance(tensor, nn.Parameter):
            return None
        entered = self._entered[self._open[-1]]
        if not entered:
            return None
        call = self.calls[self._open[-1]]
        self._note(self._place(), "unseen", entered, [tensor], ())
        self.nodes[-1] = replace(self.nodes[-1], kind=call.kind)
        return self._made[id(tensor)]

    def _place(self, name: str = "") -> str:
        path = self.calls[self._open[-1]].path
        return f"{path}.{name}".strip(".") if name else path or self.calls[0].kind

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note functions and module calls inside the block; every hook is gone after it."""
        hooks = []
        for module in self._paths:
            if module is not self._network and not isinstance(module, torch.jit.ScriptModule):
                hooks.append(module.register_forward_pre_hook(self._enter, with_kwargs=True))
                hooks.append(module.register_forward_hook(self._leave))
        try:
            with self:
                yield
        finally:
            for hook in hooks:
                hook.remove()

    def _enter(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        entered = [
            source for each in tensors_in((args, kwargs)) if (source := self._source(each)) is not None
        ]
        index = len(self.calls)
        self.calls.append(ModuleCall(index, self._paths[module], type(module).__name__, self._open[-1]))
        self._open.append(index)
        self._entered[index] = entered

    def _leave(self, module: nn.Module, args: Any, result: Any) -> None:  # noqa: ARG002  a hook's signature
        for tensor in tensors_in(result):
            self._source(tensor)
        self._open.pop()

    def finish(self, result: Any) -> tuple[TensorSource, ...]:
        """Name the nodes after their modules, and say where the network's outputs come from."""
        outputs = [self._source(tensor) for tensor in tensors_in(result)]
        inner = {call.parent for call in self.calls}
        alone: dict[int, int] = {}
        steps = [node for node in self.nodes if node.function != "input"]
        for node in steps:
            alone[node.call] = alone.get(node.call, 0) + 1
        for node in steps:
            call = self.calls[node.call]
            if call.index not in inner and alone[call.index] == 1:
                self.nodes[node.index] = replace(node, name=call.path or node.name, kind=call.kind)
        seen: dict[str, int] = {}
        for node in self.nodes:
            seen[node.name] = seen.get(node.name, 0) + 1
            if seen[node.name] > 1:
                self.nodes[node.index] = replace(
                    self.nodes[node.index], name=f"{node.name} ({seen[node.name]})"
                )
        return tuple(dict.fromkeys(source for source in outputs if source is not None))

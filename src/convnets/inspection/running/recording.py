"""Recording: which layers run, what each computes and what it keeps in memory, for one pass through a network."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from convnets.inspection.running.operator_mode import OperatorMode
from convnets.inspection.running.preserve_state import meta_copy_of
from convnets.inspection.running.shapes import output_without_values
from convnets.inspection.running.work import NOTHING, Work, operator_name, work_of

__all__ = ["Call", "Recording", "record"]

_META = torch.device("meta")
_NORMS = ("torch.nn.modules.batchnorm", "torch.nn.modules.instancenorm", "torch.nn.modules.normalization")
_POOLS = ("torch.nn.modules.pooling", "torch.nn.modules.adaptive_pooling")


@dataclass(eq=False)
class Call:
    """One call of one module."""

    module: nn.Module
    name: str
    number: int
    """1 for the module's first call."""
    input_shapes: tuple[tuple[int, ...], ...]
    inside: list[Call] = field(default_factory=list)
    """Calls that it makes, in order."""
    own: Work = NOTHING
    """Work of operators that it calls itself."""
    output_shape: tuple[int, ...] | None = None
    """Of the first tensor that it returns; None when it returns none or fails."""
    peak_bytes: int = 0
    """Most bytes alive at one time while it runs."""
    kept_bytes: int = 0
    """Bytes that autograd keeps because of operators that it calls itself."""
    uncounted: Counter[str] = field(default_factory=Counter)
    """Operators without a rule, by name."""

    def walk(self) -> Iterator[Call]:
        """This call and all below it, in the order in which they begin."""
        yield self
        for call in self.inside:
            yield from call.walk()

    def work(self) -> Work:
        """Its own and that of all calls below."""
        return sum((call.work() for call in self.inside), self.own)


@dataclass(eq=False)
class Recording:
    """What one pass left, even where it did not reach the end."""

    root: Call
    failure: Exception | None = None
    failed: tuple[Call, ...] = ()
    """From the root to the layer that failed; empty when none did."""
    fixed_storages: set[int] = field(default_factory=set)
    """Memory that is there before and after: parameters and buffers."""


def record(
    network: nn.Module,
    inputs: Sequence[Any],
    *,
    fixed: Sequence[Tensor],
    gradients: bool,
    computed: bool = False,
) -> Recording:
    """Run `network(*inputs)` and write down its calls. Its modules get hooks: call it within `preserve_state`.

    - `fixed`: the parameters and buffers, which are no activations
    - `gradients`: record what autograd keeps as well
    - `computed`: really compute; otherwise all tensors must be on the meta device
    """
    names = {module: name for name, module in network.named_modules()}
    root = Call(network, "", 1, _shapes(inputs))
    storages = {tensor.untyped_storage()._cdata for tensor in fixed}
    found = Recording(root, fixed_storages=storages)
    recorder = _Recorder(found, {id(tensor) for tensor in fixed}, computed=computed)
    for module, name in names.items():
        if module is not network and not _is_machinery(module, name):
            recorder.watch(module, name)
    recorder.keep_alive(inputs)
    packed = torch.autograd.graph.saved_tensors_hooks(recorder.pack, lambda kept: kept)
    try:
        with torch.inference_mode(False), torch.set_grad_enabled(gradients), packed, recorder:
            output = network(*inputs)
        root.output_shape = _first_shape(output)
    except Exception as error:  # noqa: BLE001  any layer may fail in any way; whoever asked decides what it means
        found.failure, found.failed = error, tuple(recorder.running)
    return found


class _Recorder(OperatorMode):
    """Sees every operator below autograd, and through hooks the module that calls it."""

    def __init__(self, found: Recording, parameters: set[int], *, computed: bool) -> None:
        super().__init__()
        self.running = [found.root]
        self._fixed, self._parameters, self._computed = found.fixed_storages, parameters, computed
        self._calls: Counter[nn.Module] = Counter()
        self._alive: dict[int, tuple[int, weakref.ref[Any]]] = {}
        self._kept: set[int] = set()
        self._bytes = 0

    def watch(self, module: nn.Module, name: str) -> None:
        """Follow the calls of `module`."""

        def enter(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self._calls[module] += 1
            call = Call(module, name, self._calls[module], _shapes([*args, *kwargs.values()]))
            call.peak_bytes = self._bytes
            self.running[-1].inside.append(call)
            self.running.append(call)

        def leave(_: nn.Module, __: tuple[Any, ...], output: Any) -> None:
            # a layer that failed in a way its caller could handle is still on the stack
            while self.running[-1].module is not module:
                self.running.pop()
            self.running.pop().output_shape = _first_shape(output)

        module.register_forward_pre_hook(enter, with_kwargs=True)
        module.register_forward_hook(leave)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        call = self.running[-1]
        if not self._computed and not _only_reads_values(func, args):
            args, kwargs = tree_map(_to_meta, (args, kwargs))
            if "device" in kwargs:
                kwargs["device"] = _META
        out = self._answer(func, args, kwargs)
        work = work_of(func, args, out)
        if work is None:
            call.uncounted[operator_name(func)] += 1
        else:
            call.own += self._sorted(func, args, work, call.module)
        self.keep_alive(out)
        return out

    def _answer(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the operator gives; without values, where only shapes are wanted and PyTorch takes long for them."""
        if not self._computed and not kwargs:
            known = output_without_values(func, args)
            if known is not None:
                return known
        return func(*args, **kwargs)

    def _sorted(self, func: Any, args: Sequence[Any], work: Work, module: nn.Module) -> Work:
        """Work beside the MACs in its place: a norm written in small operators is a norm."""
        rooms = {each.__module__ for each in type(module).__mro__}
        if work.beside and rooms.intersection(_NORMS):
            return Work(macs=work.macs, norm=work.beside)
        if work.beside and rooms.intersection(_POOLS):
            return Work(macs=work.macs, pooling=work.beside)
        if operator_name(func) == "add" and any(id(each) in self._parameters for each in args):
            return Work(bias=work.elementwise)
        return work

    def keep_alive(self, tensors: Any) -> None:
        """Count the memory of new tensors until it is freed."""
        for tensor in tree_leaves(tensors):
            if not isinstance(tensor, Tensor):
                continue
            storage = tensor.untyped_storage()
            key, size = storage._cdata, storage.nbytes()
            if size and key not in self._fixed and key not in self._alive:
                self._alive[key] = (size, weakref.ref(storage, self._freed(key)))
                self._bytes += size
        for call in self.running:
            call.peak_bytes = max(call.peak_bytes, self._bytes)

    def _freed(self, key: int) -> Callable[[Any], None]:
        def free(_: Any) -> None:
            self._bytes -= self._alive.pop(key)[0]

        return free

    def pack(self, tensor: Tensor) -> Tensor:
        """Autograd keeps `tensor` for the backward pass; each piece of memory counts once, where it is first kept."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._fixed and key not in self._kept:
            self._kept.add(key)
            self.running[-1].kept_bytes += storage.nbytes()
        return tensor


def _is_machinery(module: nn.Module, name: str) -> bool:
    """Parametrizations belong to the layer that owns them; scripted modules have no hooks in Python."""
    return ".parametrizations." in f".{name}." or isinstance(module, torch.jit.ScriptModule)


def _only_reads_values(func: Any, args: tuple[Any, ...]) -> bool:
    """Such as float(number of batches): it needs the values, and what it reads is on no meta device."""
    return operator_name(func) in ("_local_scalar_dense", "equal", "is_nonzero") and all(
        each.device != _META for each in args if isinstance(each, Tensor)
    )


def _to_meta(value: Any) -> Any:
    if isinstance(value, Tensor) and value.device != _META:
        return meta_copy_of(value)
    return value


def _shapes(values: Any) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(each.shape) for each in tree_leaves(list(values)) if isinstance(each, Tensor))


def _first_shape(value: Any) -> tuple[int, ...] | None:
    shapes = _shapes([value])
    return shapes[0] if shapes else None

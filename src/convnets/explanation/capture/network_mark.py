"""Network mark: all that can be seen of a network from outside, to tell whether it is still what it was."""

from __future__ import annotations

import dataclasses
import functools
import types
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["NetworkMark", "mark_network"]

_CONTAINERS = (dict, OrderedDict, list, tuple, set)
_PLAIN = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    torch.dtype,
    torch.device,
    torch.layout,
    torch.memory_format,
    torch.Size,
)


class NetworkMark:
    """Compares equal where nothing that can be seen changed, which `torch.equal` of the weights is no part of.

    It keeps neither the network nor anything else of it alive.
    """

    def __init__(self, plain: Sequence[object], objects: Sequence[object]) -> None:
        self._plain = tuple(plain)
        self._objects = tuple(weakref.ref(each) for each in objects)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NetworkMark) or self._plain != other._plain:
            return False
        pairs = zip(self._objects, other._objects, strict=False)
        return len(self._objects) == len(other._objects) and all(
            (first := mine()) is not None and first is others() for mine, others in pairs
        )

    __hash__ = None  # type: ignore[assignment]


def mark_network(network: nn.Module) -> NetworkMark | None:
    """The mark of `network`: its modules, their attributes, hooks, classes and code, and the kinds of its tensors.

    Modes and values of tensors are no part of it. None where an attribute is of a type that cannot be seen into, such
    as an object of settings that may change inside.

    >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    >>> before = mark_network(network)
    >>> mark_network(network.eval()) == before
    True
    >>> network[1] = nn.Sigmoid()
    >>> mark_network(network) == before
    False
    """
    seen = _Seen()
    try:
        seen.visit(network)
        return NetworkMark(seen.plain, seen.objects)
    except (_OpaqueError, TypeError):  # a TypeError: what no weak reference can be made to
        return None


class _OpaqueError(Exception):
    """Something that cannot be seen into."""


class _Seen:
    def __init__(self) -> None:
        self.plain: list[object] = []
        self.objects: list[object] = []
        self._known: dict[int, int] = {}

    def visit(self, value: Any) -> None:
        kind = type(value)
        if kind in _PLAIN:
            self.plain += (kind, value)
        elif kind in _CONTAINERS:
            self._container(kind, value)
        elif kind in (Tensor, nn.Parameter, nn.Buffer):
            self.plain += (kind, value.shape, value.dtype, value.device, value.layout, value.requires_grad)
        elif id(value) in self._known:
            self.plain.append(self._known[id(value)])
        else:
            self._known[id(value)] = len(self._known)
            self._object(value)

    def _container(self, kind: type, value: Any) -> None:
        self.plain += (kind, len(value))
        if kind is set:
            if any(type(each) is not str for each in value):
                raise _OpaqueError
            self.plain.append(frozenset(value))
        elif isinstance(value, dict):
            for key, each in value.items():
                self.visit(key)
                self.visit(each)
        else:
            for each in value:
                self.visit(each)

    def _object(self, value: Any) -> None:
        if isinstance(value, functools.partial):
            for each in (value.func, value.args, value.keywords):
                self.visit(each)
            return
        if isinstance(value, types.MethodType):
            self.visit(value.__func__)
            self.visit(value.__self__)
            return
        if _is_frozen(value):
            self.objects.append(type(value))
            for part in dataclasses.fields(value):
                self.visit(getattr(value, part.name))
            return
        if isinstance(value, torch.jit.ScriptModule) or not isinstance(
            value, nn.Module | type | types.FunctionType | types.BuiltinFunctionType
        ):
            raise _OpaqueError
        self.objects.append(value)
        if isinstance(value, nn.Module):
            self.visit(type(value))
            for name, each in vars(value).items():
                if name != "training":
                    kind = type(each)
                    self.plain += (name, kind)
                    if kind in _PLAIN:
                        self.plain.append(each)
                    elif kind not in _CONTAINERS or each:  # most are empty
                        self.visit(each)
        elif isinstance(value, types.FunctionType):
            self._code(value)
            for cell in value.__closure__ or ():
                self.visit(cell.cell_contents)
        elif isinstance(value, type) and issubclass(value, nn.Module):
            for base in value.__mro__:
                if base not in (nn.Module, object):
                    for each in vars(base).values():
                        if isinstance(each, types.FunctionType):
                            self.objects.append(each)
                            self._code(each)

    def _code(self, function: types.FunctionType) -> None:
        """Its code, and the plain settings of its file that the code reads by name, such as `USE_RELU = True`."""
        self.objects.append(function.__code__)
        for name in function.__code__.co_names:
            setting = function.__globals__.get(name)
            if type(setting) in _PLAIN:
                self.plain += (name, setting)


def _is_frozen(value: object) -> bool:
    """Whether it is an object of a frozen dataclass, which its fields make up."""
    parameters = getattr(type(value), "__dataclass_params__", None)
    return parameters is not None and bool(parameters.frozen)

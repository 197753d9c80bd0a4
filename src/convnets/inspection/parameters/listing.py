"""Parameters of a network: listed, found by name or pattern, exported; and which of them are shared.

A pattern names a parameter (`classifier.weight`), a module and all below it (`stage3`), or any that match shell
letters (`*.bias`, `stage[12].*`); * stands for dots too.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from torch import nn
from torch.nn.parameter import UninitializedParameter

from convnets.core.display.text_table import aligned
from convnets.core.html.kit import card, table
from convnets.core.storage.files import json_text, write_text
from convnets.errors import UnknownNameError, UsageError

__all__ = [
    "ParameterListing",
    "ParameterRecord",
    "find_parameters",
    "list_parameters",
    "matching_names",
    "no_such_name",
    "shared_parameters",
]


@dataclass(frozen=True)
class ParameterRecord:
    """One parameter; one that has several names stands at the first of them."""

    name: str
    """Path in the network, such as stage2.0.conv1.weight."""
    layer: str
    """Class of the module that holds it."""
    shape: tuple[int, ...]
    """() for a single number, and for a lazy one before the first batch."""
    count: int
    """Numbers in it; 0 for a lazy one."""
    dtype: str
    trainable: bool
    """Whether it gets a gradient."""
    also: tuple[str, ...]
    """Its other names, where modules share it."""
    norm: float | None
    """Euclidean norm of its values; None where it has none (lazy, or on the meta device)."""


@dataclass(frozen=True)
class ParameterListing:
    """Parameters in the network's order, each once; text, a table in a notebook, CSV or JSON."""

    network: str
    """The catalogue's name of the network, or the name of its class."""
    parameters: tuple[ParameterRecord, ...]

    @property
    def count(self) -> int:
        """Numbers in all of them; what is shared is counted once."""
        return sum(each.count for each in self.parameters)

    @property
    def trainable_count(self) -> int:
        """Numbers that get a gradient."""
        return sum(each.count for each in self.parameters if each.trainable)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "count": self.count, "trainable_count": self.trainable_count}

    def to_csv(self) -> str:
        """A header and one line for each parameter; sides of a shape with × between, names with spaces."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("name", "layer", "shape", "count", "dtype", "trainable", "also", "norm"))
        for each in self.parameters:
            norm = "" if each.norm is None else f"{each.norm:.6g}"
            cells = (each.count, each.dtype, int(each.trainable), " ".join(each.also), norm)
            writer.writerow((each.name, each.layer, _times(each.shape), *cells))
        return text.getvalue()

    def write(self, path: Path | str) -> Path:
        """Write the listing to `path`, as CSV or JSON by its ending; returns the path."""
        path = Path(path)
        if path.suffix.lower() not in (".csv", ".json"):
            raise UsageError(f"{path.name} ends in {path.suffix or 'nothing'!r}; allowed: .csv or .json")
        as_json = path.suffix.lower() == ".json"
        write_text(
            path,
            json_text(self.to_dict(), indent=2) + "\n" if as_json else self.to_csv(),
        )
        return path

    def __str__(self) -> str:
        head = ("parameter", "layer", "shape", "count", "norm", "remark")
        table = aligned(head, [_cells(each) for each in self.parameters], right=(2, 3, 4))
        return "\n".join([self.network, table, self._total()])

    def __repr__(self) -> str:
        return f"ParameterListing({self.network}: {self._total()})"

    def _repr_html_(self) -> str:
        rows = [_cells(each) for each in self.parameters]
        head = ("parameter", "layer", "shape", "count", "norm", "remark")
        return card(f"{self.network}, {self._total()}", table(head, rows, names=2, words=True))

    def _total(self) -> str:
        total = f"{self.count:,} parameters"
        frozen = self.count - self.trainable_count
        return total + (f", {frozen:,} of them frozen" if frozen else "")


def _cells(record: ParameterRecord) -> tuple[str, ...]:
    norm = "–" if record.norm is None else f"{record.norm:.4g}"
    remarks = ["frozen"] * (not record.trainable)
    remarks += [f"shared with {', '.join(record.also)}"] if record.also else []
    return record.name, record.layer, _times(record.shape), f"{record.count:,}", norm, "; ".join(remarks)


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "–"


def list_parameters(network: nn.Module, *patterns: str) -> ParameterListing:
    """The parameters that any of `patterns` matches, all of them without; raises UnknownNameError for no match.

    >>> print(list_parameters(nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))).parameters[0].shape)
    (2, 4)
    """
    chosen = set(matching_names(network, *patterns)) if patterns else None
    known = getattr(network, "architecture", None)
    names: dict[nn.Parameter, list[str]] = {}
    for name, parameter in network.named_parameters(remove_duplicate=False):
        names.setdefault(parameter, []).append(name)
    records = [
        _record(network, parameter, own)
        for parameter, own in names.items()
        if chosen is None or not chosen.isdisjoint(own)
    ]
    return ParameterListing(type(network).__name__ if known is None else known.name, tuple(records))


def _record(network: nn.Module, parameter: nn.Parameter, names: list[str]) -> ParameterRecord:
    lazy = isinstance(parameter, UninitializedParameter)
    known = not lazy and not parameter.is_meta
    return ParameterRecord(
        name=names[0],
        layer=type(network.get_submodule(names[0].rpartition(".")[0])).__name__,
        shape=() if lazy else tuple(parameter.shape),
        count=0 if lazy else parameter.numel(),
        dtype=str(parameter.dtype).removeprefix("torch."),
        trainable=parameter.requires_grad,
        also=tuple(names[1:]),
        norm=float(parameter.detach().double().norm()) if known else None,
    )


def find_parameters(network: nn.Module, *patterns: str) -> dict[str, nn.Parameter]:
    """Name → parameter for each name that any pattern matches, in the network's order.

    Raises UnknownNameError for a pattern that nothing matches.

    >>> list(find_parameters(nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 2)), "*.bias"))
    ['0.bias', '1.bias']
    """
    every = dict(network.named_parameters(remove_duplicate=False))
    return {name: every[name] for name in matching_names(network, *patterns)}


def matching_names(network: nn.Module, *patterns: str) -> list[str]:
    """Names of parameters that any of `patterns` matches, in the network's order; second names included."""
    names = [name for name, _ in network.named_parameters(remove_duplicate=False)]
    for pattern in patterns:
        if not any(_matches(name, pattern) for name in names):
            above = {path: None for name in names for path in _and_above(name)}
            remedy = "* stands for any letters, a module's name for all its parameters"
            raise no_such_name("parameter", pattern, list(above), remedy)
    return [name for name in names if any(_matches(name, pattern) for pattern in patterns)]


def _matches(name: str, pattern: str) -> bool:
    return any(fnmatchcase(path, pattern) for path in _and_above(name))


def _and_above(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]


def no_such_name(kind: str, value: str, names: Sequence[str], remedy: str = "") -> UnknownNameError:
    """The error for a path that is not there: it names the nearest ones, or else the outermost, not hundreds.

    >>> str(no_such_name("module", "q", ["stem", "stem.0", "stage1"]))
    "unknown module 'q'; allowed: stem, stage1"
    """
    if not difflib.get_close_matches(value, names, n=1, cutoff=0.5):
        names = list(dict.fromkeys(name.partition(".")[0] for name in names))
    return UnknownNameError(kind, value, names, remedy)


def shared_parameters(network: nn.Module) -> tuple[tuple[str, ...], ...]:
    """Groups of names that mean the same numbers: the same parameter, or parameters over the same memory.

    >>> layer = nn.Linear(2, 2)
    >>> shared_parameters(nn.Sequential(layer, nn.ReLU(), layer))
    (('0.weight', '2.weight'), ('0.bias', '2.bias'))
    """
    groups: dict[object, list[str]] = {}
    for name, parameter in network.named_parameters(remove_duplicate=False):
        groups.setdefault(_memory(parameter), []).append(name)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)


def _memory(parameter: nn.Parameter) -> object:
    if isinstance(parameter, UninitializedParameter) or parameter.is_meta or not parameter.numel():
        return id(parameter)
    return parameter.device, parameter.untyped_storage().data_ptr(), parameter.storage_offset()

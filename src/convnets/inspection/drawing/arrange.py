"""arrange: a graph as nested boxes. Layers that belong together share a card, repetitions are folded into one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from convnets.inspection.drawing.layout.boxes import (
    Box,
    Card,
    Group,
    Level,
    Link,
    Row,
    merged,
    renamed,
    signature,
)
from convnets.inspection.drawing.wording import describe
from convnets.inspection.graph.network_graph import GraphNode, ModuleCall, NetworkGraph, Shape, TensorSource

__all__ = ["arrange"]

_LONGEST_SERIES = 4
"""Parts that may repeat together, such as a layer and the concatenation with its input."""
_LIGHT = ("normalization", "activation", "dropout")


@dataclass(frozen=True)
class _Part:
    """A box with the tensors that it takes from outside and gives to the outside."""

    box: Box
    takes: tuple[TensorSource, ...]
    gives: tuple[TensorSource, ...]
    nodes: frozenset[int]


def arrange(
    graph: NetworkGraph, *, depth: int | None = None, unfold: bool = False, closed: Collection[str] = ()
) -> Level:
    """The boxes of a drawing.

    `depth` is how many levels of modules are opened: 1 shows the network's own parts as one card each; None opens
    all. With `unfold`, every repetition is shown, and every operation of a module that a reader would take for one.
    `closed` are paths of modules that are shown as one card each, whatever is in them.
    """
    return _Arranger(graph, depth, frozenset(closed), unfold=unfold).whole()


class _Arranger:
    def __init__(
        self, graph: NetworkGraph, depth: int | None, closed: frozenset[str], *, unfold: bool
    ) -> None:
        self._graph, self._depth, self._closed, self._unfold = graph, depth, closed, unfold
        self._members: dict[int, list[GraphNode | ModuleCall]] = {call.index: [] for call in graph.calls}
        self._inside: dict[int, list[int]] = {call.index: [] for call in graph.calls}
        for node in graph.nodes:
            call: int | None = node.call
            while call is not None:
                self._inside[call].append(node.index)
                call = graph.calls[call].parent
        filled = [
            call for call in graph.calls if self._inside[call.index]
        ]  # others only hand on what they get
        items: list[GraphNode | ModuleCall] = [*graph.nodes, *filled]
        for item in sorted(items, key=self._order):
            above = item.call if isinstance(item, GraphNode) else item.parent
            if above is not None:
                self._members[above].append(item)
        self._takers: dict[TensorSource, list[int]] = {}
        for node in graph.nodes:
            for source in node.inputs:
                self._takers.setdefault(source, []).append(node.index)
        for source in graph.outputs:
            self._takers.setdefault(source, []).append(-1)

    def _order(self, item: GraphNode | ModuleCall) -> tuple[int, int]:
        """By the first node inside; a call comes before what it holds."""
        if isinstance(item, GraphNode):
            return (item.index, len(self._graph.calls))
        return (self._inside[item.index][0], item.index)

    def whole(self) -> Level:
        parts = self._parts(0, 1)
        for number, source in enumerate(self._graph.outputs):
            name = "output" if len(self._graph.outputs) == 1 else f"output{number + 1}"
            shape = self._shape(source)
            row = Row(name, "", "", "input", name, (shape,), 0)
            parts.append(_Part(Card((row,)), (source,), (), frozenset([-1])))
        return self._level(parts, (), ())

    def _shape(self, source: TensorSource) -> Shape:
        shape = self._graph.nodes[source.node].shapes[source.output]
        return shape[1:] or shape

    def _parts(self, call: int, level: int) -> list[_Part]:
        parts = [
            self._node_part(item, call) if isinstance(item, GraphNode) else self._call_part(item, call, level)
            for item in self._members[call]
        ]
        parts = self._stacked(parts)
        return parts if self._unfold else self._folded(parts)

    def _outside(self, sources: Iterable[TensorSource], nodes: frozenset[int]) -> tuple[TensorSource, ...]:
        """Those that something outside `nodes` takes."""
        return tuple(s for s in sources if any(taker not in nodes for taker in self._takers.get(s, ())))

    def _node_part(self, node: GraphNode, call: int) -> _Part:
        nodes = frozenset([node.index])
        gives = self._outside((TensorSource(node.index, i) for i in range(len(node.shapes))), nodes)
        shape = self._shape(gives[0] if gives else TensorSource(node.index))
        path = self._graph.calls[call].path
        row = Row(
            kind=node.kind,
            detail=describe(node),
            name=_own_name(node, path),
            family=node.family,
            path=node.name,
            shapes=(shape,),
            parameters=node.parameters,
        )
        return _Part(Card((row,)), tuple(dict.fromkeys(node.inputs)), gives, nodes)

    def _call_part(self, call: ModuleCall, above: int, level: int) -> _Part:
        members = self._members[call.index]
        while len(members) == 1 and isinstance(members[0], ModuleCall):
            call = members[0]
            members = self._members[call.index]
        if len(members) == 1 and isinstance(members[0], GraphNode):
            return self._node_part(members[0], above)
        nodes = tuple(self._graph.nodes[index] for index in self._inside[call.index])
        inside = frozenset(self._inside[call.index])
        takes = tuple(dict.fromkeys(s for node in nodes for s in node.inputs if s.node not in inside))
        made = (TensorSource(node.index, i) for node in nodes for i in range(len(node.shapes)))
        gives = self._outside(made, inside)
        name = _within(call.path, self._graph.calls[above].path)
        single = not any(isinstance(item, ModuleCall) for item in members) and not self._unfold
        shut = call.path in self._closed or (self._depth is not None and level >= self._depth)
        if single or shut:
            shape = self._shape(gives[0]) if gives else ()
            family = "block" if not single else _main_family(nodes)
            detail = "" if single else f"{len(nodes)} operations"
            row = Row(call.kind, detail, name, family, call.path, (shape,), sum(n.parameters for n in nodes))
            return _Part(Card((row,)), takes, gives, inside)
        parts = self._parts(call.index, level + 1)
        if len(parts) == 1:  # a frame around a single box would say nothing
            return replace(parts[0], box=renamed(parts[0].box, name))
        inner = self._level(parts, takes, gives)
        return _Part(Group(name, call.kind, call.path, inner), takes, gives, inside)

    def _stacked(self, parts: Sequence[_Part]) -> list[_Part]:
        """Normalization, activation and dropout join the card of the layer whose output they alone take."""
        done: list[_Part] = []
        for part in parts:
            last = done[-1] if done else None
            if last is not None and self._joins(last, part):
                assert isinstance(last.box, Card)
                assert isinstance(part.box, Card)
                card = Card((*last.box.rows, *part.box.rows))
                done[-1] = _Part(card, last.takes, part.gives, last.nodes | part.nodes)
            else:
                done.append(part)
        return done

    def _joins(self, last: _Part, part: _Part) -> bool:
        if not isinstance(last.box, Card) or not isinstance(part.box, Card):
            return False
        before, row = last.box.rows[-1], part.box.rows[0]
        return (
            row.family in _LIGHT
            and before.family not in ("input", "block")
            and part.takes == last.gives
            and len(last.gives) == 1
            and before.shapes == row.shapes
            and len(self._takers[last.gives[0]]) == 1
        )

    def _folded(self, parts: Sequence[_Part]) -> list[_Part]:
        """Runs of equal parts, or of equal series of them, each taking what the one before gives, become one."""
        done: list[_Part] = []
        place = 0
        while place < len(parts):
            run, period = self._run_from(parts, place)
            if len(run) > 1:
                nodes = frozenset[int]().union(*(part.nodes for part in run))
                box = merged([part.box for part in run])
                done.append(_Part(box, run[0].takes, run[-1].gives, nodes))
            else:
                done.append(parts[place])
            place += len(run) * period
        return done

    def _run_from(self, parts: Sequence[_Part], place: int) -> tuple[list[_Part], int]:
        """The equal parts, or series of `period` parts, that begin at `place`."""
        for period in range(1, _LONGEST_SERIES + 1):
            starts = range(place, len(parts) - period + 1, period)
            run: list[_Part] = []
            for start in starts:
                part = self._series(parts[start : start + period])
                if run and not self._repeats(run[-1], part):
                    break
                run.append(part)
            if len(run) > 1:
                return run, period
        return [parts[place]], 1

    def _series(self, parts: Sequence[_Part]) -> _Part:
        """Parts that follow each other as one."""
        if len(parts) == 1:
            return parts[0]
        nodes = frozenset[int]().union(*(part.nodes for part in parts))
        taken = dict.fromkeys(source for part in parts for source in part.takes)
        takes = tuple(source for source in taken if source.node not in nodes)
        gives = self._outside((source for part in parts for source in part.gives), nodes)
        names = [each.box.name if isinstance(each.box, Group) else each.box.rows[0].name for each in parts]
        name = next(filter(None, names), "")
        return _Part(Group(name, "", name, self._level(parts, takes, gives)), takes, gives, nodes)

    def _repeats(self, last: _Part, part: _Part) -> bool:
        return (
            part.takes == last.gives
            and len(part.takes) == len(last.takes)
            and len(part.gives) == len(last.gives)
            and not self._outside(last.gives, part.nodes)
            and signature(last.box) == signature(part.box)
            and (isinstance(part.box, Group) or _same_shapes(last.box, part.box))
        )

    def _level(
        self, parts: Sequence[_Part], entries: Sequence[TensorSource], exits: Sequence[TensorSource]
    ) -> Level:
        made = {s: (place, port) for place, part in enumerate(parts) for port, s in enumerate(part.gives)}
        made |= {source: (-1 - place, 0) for place, source in enumerate(entries)}
        links = [
            Link(*made[source], place, port, (self._shape(source),))
            for place, part in enumerate(parts)
            for port, source in enumerate(part.takes)
        ]
        links += [
            Link(*made[source], len(parts) + place, 0, (self._shape(source),))
            for place, source in enumerate(exits)
        ]
        return Level(tuple(part.box for part in parts), tuple(links), len(entries), len(exits))


def _same_shapes(one: Box, other: Box) -> bool:
    assert isinstance(one, Card)
    assert isinstance(other, Card)
    return [row.shapes for row in one.rows] == [row.shapes for row in other.rows]


def _within(path: str, above: str) -> str:
    return path.removeprefix(f"{above}.") if above else path


def _own_name(node: GraphNode, above: str) -> str:
    """Of a module, its name in the group; nothing where that only repeats its kind."""
    name = _within(node.name, above)
    return "" if node.kind == node.function or name == node.kind.lower() else name


def _main_family(nodes: Sequence[GraphNode]) -> str:
    """Of a module that is shown as one: that of its heaviest operation."""
    for family in (
        "convolution",
        "attention",
        "recurrent",
        "linear",
        "pooling",
        "normalization",
        "activation",
    ):
        if any(node.family == family for node in nodes):
            return family
    return nodes[0].family if nodes else "other"

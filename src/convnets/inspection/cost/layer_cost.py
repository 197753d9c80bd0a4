"""LayerCost: one row of a summary, from the calls that a recording holds. N images, C channels, H height, W width."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from torch import nn

from convnets.inspection.running.recording import Call
from convnets.inspection.running.work import Work

__all__ = ["LayerCost", "layer_costs"]


@dataclass(frozen=True)
class LayerCost:
    """One call of one layer or block, all that is inside it included. Work and memory are for one image."""

    name: str
    """Its path in the network, such as stage2.0.conv1; the first where it has several."""
    kind: str
    """Name of its class."""
    settings: str
    """What it was built with, as PyTorch prints it."""
    depth: int
    """1 for the parts of the network itself."""
    call: int
    """1 when it runs for the first time, 2 for the second …; 0 when it is not called at all."""
    is_block: bool
    """Whether it calls other layers."""
    input_shape: tuple[int, ...] | None
    """Of the first tensor that it gets, 1×C×H×W or 1×D; None when it gets none or is not called."""
    output_shape: tuple[int, ...] | None
    """Of the first tensor that it gives; None when it gives none, fails or is not called."""
    parameters: int
    """Numbers in its weights, each counted once in the whole network: where it is first used."""
    trainable_parameters: int
    """Of these, those that require a gradient; the others are frozen."""
    shared_parameters: int
    """Numbers in weights that it uses and that an earlier row has counted."""
    macs: int
    """Multiply-accumulates of convolutions and matrix products."""
    bias_operations: int
    norm_operations: int
    pooling_operations: int
    elementwise_operations: int
    share: float
    """Its share of the network's MACs, 0 to 1."""
    peak_bytes: int
    """Most bytes of activations alive at one time while it runs in evaluation mode."""
    kept_bytes: int | None
    """Bytes that autograd keeps for its backward pass, in training mode; None where that was not recorded."""
    field_size: tuple[int, ...] | None = None
    """Pixels of the image that one unit of its output sees, down and across; None where that is not known."""
    field_exceeds: bool = False
    """Whether that is larger than the image along an axis."""
    field_exact: bool = True
    """False where it sees at most that."""

    @property
    def flops(self) -> int:
        """Floating-point operations of convolutions and matrix products: 2 for each MAC."""
        return 2 * self.macs

    @property
    def frozen_parameters(self) -> int:
        """Those that require no gradient."""
        return self.parameters - self.trainable_parameters


Kept = Mapping[tuple[str, int], int]
"""Bytes for the backward pass by name and number of the call that made them."""


def layer_costs(root: Call, kept: Kept | None, *, whole: bool = True) -> tuple[LayerCost, ...]:
    """A row for each call below `root`, blocks before what is inside them; then one for what is never called.

    Weights and MACs that the network's own forward uses have a row without a name, before the others; a network
    without layers inside is that one row. A pass that is not `whole` cannot tell what is never called.
    """
    return tuple(_Rows(root, kept, whole=whole).all(root))


class _Rows:
    def __init__(self, root: Call, kept: Kept | None, *, whole: bool) -> None:
        self._kept, self._total = kept, root.work().macs
        self._counted: set[int] = set()
        self._called = {id(call.module) for call in root.walk()}
        self._names = {module: name for name, module in root.module.named_modules()}
        self._listed: set[int] = set()
        self._whole = whole

    def all(self, root: Call) -> Iterator[LayerCost]:
        """All rows of a network."""
        own = self._tally(list(_own_weights(root.module)) if root.inside else list(root.module.parameters()))
        if root.own.macs or own[0] or not root.inside:
            yield self._row(replace(root, inside=[]), root.module, 1, own)
        if root.inside:
            yield from self.below(root, 1)

    def below(self, call: Call, depth: int) -> Iterator[LayerCost]:
        """Rows of what `call` has inside."""
        self._count(list(_own_weights(call.module)))
        for inner in call.inside:
            yield from self._rows(inner, depth)
        for child in _idle(call.module, self._called) if self._whole else ():
            if id(child) not in self._listed:
                self._listed.add(id(child))
                found = self._count(list(child.parameters()))
                if found[0]:
                    yield self._row(None, child, depth, found)

    def _rows(self, call: Call, depth: int) -> Iterator[LayerCost]:
        if not call.inside:
            yield self._row(call, call.module, depth, self._count(list(call.module.parameters())))
            return
        yield self._row(call, call.module, depth, self._tally(list(call.module.parameters())))
        yield from self.below(call, depth + 1)

    def _count(self, weights: list[nn.Parameter]) -> tuple[int, int, int]:
        """`_tally`, after which the weights are counted."""
        found = self._tally(weights)
        self._counted.update(id(weight) for weight in weights)
        return found

    def _tally(self, weights: list[nn.Parameter]) -> tuple[int, int, int]:
        """Numbers that are new, those of them that are trainable, and numbers that were counted before."""
        fresh = [weight for weight in weights if id(weight) not in self._counted]
        new = sum(weight.numel() for weight in fresh)
        trainable = sum(weight.numel() for weight in fresh if weight.requires_grad)
        return new, trainable, sum(weight.numel() for weight in weights) - new

    def _row(
        self, call: Call | None, module: nn.Module, depth: int, weights: tuple[int, int, int]
    ) -> LayerCost:
        work = Work() if call is None else call.work()
        return LayerCost(
            name=self._names[module],
            kind=type(module).__name__,
            settings=module.extra_repr() if call is None or not call.inside else "",
            depth=depth,
            call=0 if call is None else call.number,
            is_block=call is not None and bool(call.inside),
            input_shape=call.input_shapes[0] if call is not None and call.input_shapes else None,
            output_shape=None if call is None else call.output_shape,
            parameters=weights[0],
            trainable_parameters=weights[1],
            shared_parameters=weights[2],
            macs=work.macs,
            bias_operations=work.bias,
            norm_operations=work.norm,
            pooling_operations=work.pooling,
            elementwise_operations=work.elementwise,
            share=work.macs / self._total if self._total else 0.0,
            peak_bytes=0 if call is None else call.peak_bytes,
            kept_bytes=None if self._kept is None else _kept_by(call, self._kept),
        )


def _kept_by(call: Call | None, kept: Kept) -> int:
    return 0 if call is None else sum(kept.get((each.name, each.number), 0) for each in call.walk())


def _own_weights(module: nn.Module) -> Iterator[nn.Parameter]:
    yield from module.parameters(recurse=False)
    for child in module.children():
        if isinstance(
            child, nn.ParameterList | nn.ParameterDict
        ):  # never called: its owner takes weights from it
            yield from child.parameters()


def _idle(module: nn.Module, called: set[int]) -> Iterator[nn.Module]:
    """The largest modules inside `module` of which no part is ever called."""
    for child in module.children():
        if id(child) in called:
            continue
        if any(id(each) in called for each in child.modules()):
            yield from _idle(child, called)
        else:
            yield child

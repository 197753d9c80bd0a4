"""Warnings: what is wrong with a network, in plain words, each with what helps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from convnets.inspection.health.record import BatchNormHealth, LayerHealth

__all__ = ["warnings_of"]

_MANY = 0.5  # share of units or numbers from which a layer is in trouble
_GRADIENT_LOST = (
    1e-3  # of what reaches the last layer, at the first; and its inverse for a gradient that explodes
)
_ALIKE = 1e-3  # spread over images as a share of the whole spread
_LARGEST = 1e4  # spread of activations
_FASTEST = 0.3  # of its weights that a layer moves by in a step; about 1e-3 is usual
_SLOWEST = 1e-5  # of the step of the layer that moves most
_OFF = 0.01  # |γ| below which a channel is as good as switched off
_NAMED = 2  # layers with the same trouble that are named one by one


@dataclass(frozen=True)
class _Trouble:
    """One kind of trouble: which layers have it, how badly, and what it is called."""

    measure: Callable[[LayerHealth], float | None]
    """How badly; None where all is well."""
    words: Callable[[float], str]
    remedy: str


def warnings_of(layers: Sequence[LayerHealth], norms: Sequence[BatchNormHealth]) -> Iterator[str]:
    """One line for each kind of trouble and layer, or for the worst layer where several have the same."""
    broken = [each for each in layers if not (math.isfinite(each.mean) and math.isfinite(each.spread))]
    if broken:  # whatever comes after the first is a consequence
        yield f"{broken[0]} gives NaN or infinity; lower the learning rate, or look at what goes in"
        return
    for trouble in _TROUBLES:
        found = [(value, layer) for layer in layers if (value := trouble.measure(layer)) is not None]
        if len(found) <= _NAMED:
            for value, layer in found:
                yield f"{layer}: {trouble.words(value)}; {trouble.remedy}"
        else:
            value, worst = max(found, key=lambda pair: pair[0])
            yield f"{len(found)} layers, the worst {worst}: {trouble.words(value)}; {trouble.remedy}"
    yield from _gradient_warnings(layers)
    yield from _standing_still(layers)
    for norm in norms:
        off = sum(abs(scale) < _OFF for scale in norm.gamma) / max(1, len(norm.gamma))
        if off >= _MANY:
            yield (
                f"batch norm {norm.name}: {off:.0%} of its channels are as good as switched off (|γ| < {_OFF}); "
                "use fewer channels, or less weight decay"
            )


def _gradient_warnings(layers: Sequence[LayerHealth]) -> Iterator[str]:
    with_weights = [each for each in layers if each.has_weights and each.output_gradient is not None]
    for layer in with_weights:
        if not math.isfinite(layer.output_gradient or 0.0):
            yield f"{layer}: its gradient is NaN or infinite; lower the learning rate, or cut gradients off"
            return
    if len(with_weights) < 2:
        return
    first, last = with_weights[0], with_weights[-1]
    low, high = first.output_gradient or 0.0, last.output_gradient or 0.0
    if high > 0 and low < _GRADIENT_LOST * high:
        yield (
            f"the gradient vanishes: at layer {first.number} it is {_share(low / high)} times that at layer "
            f"{last.number}; use ReLU with Kaiming weights, batch norm, or skip connections"
        )
    elif high > 0 and low > high / _GRADIENT_LOST:
        yield (
            f"the gradient explodes: at layer {first.number} it is {low / high:.2g} times that at layer "
            f"{last.number}; start from smaller weights, use batch norm, or clip_gradient_norm"
        )


def _share(value: float) -> str:
    return "0" if value == 0 else f"{value:.1e}"


def _percent(value: float) -> str:
    """Whole per cents, never 100 of what is not all.

    >>> _percent(0.997), _percent(1.0)
    ('99 %', '100 %')
    """
    return f"{math.floor(100 * value + 1e-9)} %"


def _at_least(value: float | None, limit: float) -> float | None:
    return value if value is not None and value >= limit else None


def _images_look_alike(layer: LayerHealth) -> float | None:
    if layer.image_spread is None or layer.spread == 0 or not layer.has_weights:
        return None
    share = layer.image_spread / layer.spread
    return 1 - share if share < _ALIKE else None


def _standing_still(layers: Sequence[LayerHealth]) -> Iterator[str]:
    """At the end of a schedule all steps are small: what counts is that one layer moves and another does not."""
    updates = {each: each.update for each in layers if each.has_weights and each.update is not None}
    if not updates:
        return
    fastest, slowest = max(updates, key=updates.__getitem__), min(updates, key=updates.__getitem__)
    if updates[slowest] < _SLOWEST * updates[fastest]:
        yield (
            f"{slowest} stands still: one step moves its weights by {_share(updates[slowest])} of their size, those "
            f"of layer {fastest.number} by {_share(updates[fastest])}; see why no gradient arrives"
        )


_TROUBLES = (
    _Trouble(
        lambda layer: _at_least(layer.dead, _MANY),
        lambda value: f"{_percent(value)} of units are dead: 0 for every image",
        "lower the learning rate, start from Kaiming weights, or use batch norm",
    ),
    _Trouble(
        lambda layer: _at_least(layer.saturated, _MANY),
        lambda value: (
            f"{_percent(value)} of its values lie where the function is flat: hardly any gradient passes"
        ),
        "start from smaller weights, normalize the images, or use batch norm",
    ),
    _Trouble(
        lambda layer: 1.0 if layer.alike else None,
        lambda _: "all units give the same: equal weights stay equal",
        "start from random weights",
    ),
    _Trouble(
        _images_look_alike,
        lambda value: f"all images look alike to it: they make {_share(1 - value)} of the spread",
        "start from Xavier or Kaiming weights, or use batch norm",
    ),
    _Trouble(
        lambda layer: _at_least(layer.spread, _LARGEST),
        lambda value: f"its values are spread by {value:.1e}",
        "start from smaller weights, or use batch norm",
    ),
    _Trouble(
        lambda layer: _at_least(layer.update if layer.has_weights else None, _FASTEST),
        lambda value: f"one step moves the weights by {value:.0%} of their size",
        "lower the learning rate",
    ),
)

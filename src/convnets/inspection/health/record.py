"""Records of a network's health: what each layer gave, what gradient reached it, how far its weights would move."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from statistics import quantiles
from typing import Any

from convnets.core.display.text_table import aligned
from convnets.core.html.kit import bullets, card, note, paragraph, table

__all__ = ["BatchNormHealth", "LayerHealth", "NetworkHealth", "spread_of"]


@dataclass(frozen=True)
class LayerHealth:
    """One output: of a layer with parameters, or of an activation such as ReLU; each time it runs."""

    name: str
    """Path in the network; an activation that is a plain function has that of the module that calls it before it."""
    kind: str
    """Class of the module, or name of the function."""
    number: int
    """How many layers with weights have run up to here, this one included: 1 for the first."""
    has_weights: bool
    """Whether it is one of these: a parameter of its own has two axes or more, unlike those of batch norm."""
    output_shape: tuple[int, ...]
    """With N, the images of the batch."""
    mean: float
    """Of all numbers that it gives."""
    spread: float
    """Their standard deviation."""
    image_spread: float | None
    """Standard deviation over the images at one place (root mean square over places); None for one image. Where it is
    far below the spread, all images look alike from here on."""
    zeros: float | None = None
    """Share of the numbers that are 0; only of ReLU and its like."""
    dead: float | None = None
    """Share of the units (features, or channels of maps) that are 0 for every image, everywhere."""
    saturated: float | None = None
    """Share of the numbers where a sigmoid, tanh or their like has less than 5 % of its steepest slope."""
    alike: bool = False
    """All units give the same, up to a constant: symmetry was never broken. Only of layers with weights."""
    output_gradient: float | None = None
    """Euclidean norm of an image's gradient of its loss with respect to this output, mean over images."""
    gradient: float | None = None
    """Euclidean norm of the gradient of the (mean) loss with respect to the layer's own parameters."""
    weight: float | None = None
    """Euclidean norm of these parameters."""
    update: float | None = None
    """Euclidean norm of the optimizer's next step, as a share of `weight`."""

    def __str__(self) -> str:
        return f"layer {self.number} ({self.name}, {self.kind})"


@dataclass(frozen=True)
class BatchNormHealth:
    """What a batch norm has learned: γ multiplies a channel, β is added to it."""

    name: str
    gamma: tuple[float, ...]
    beta: tuple[float, ...]


@dataclass(frozen=True)
class NetworkHealth:
    """All of it for one batch; text in a terminal, a table in a notebook, plain values for JSON."""

    network: str
    """The catalogue's name of the network, or the name of its class."""
    images: int
    """In the batch."""
    mode: str
    """training or evaluation: what batch norm and dropout did."""
    loss: float | None
    """Of the batch, in nats; None without targets."""
    step: str | None
    """What `update` is of, such as "AdamW, learning rate 0.002"; None without an optimizer."""
    layers: tuple[LayerHealth, ...]
    """In the order in which they ran."""
    batch_norms: tuple[BatchNormHealth, ...]
    warnings: tuple[str, ...]
    """What is wrong, in plain words, and what helps; empty where nothing is."""
    examples: str = "images"
    """What the batch is of, for people."""

    def to_dict(self, *, values: bool = True) -> dict[str, Any]:
        """Plain values for JSON; numbers that are not finite are None.

        Without `values`, γ and β are given by minimum, quartiles and maximum instead of one by one.
        """
        plain = asdict(self)
        if not values:
            plain["batch_norms"] = [
                {"name": each.name, "gamma": spread_of(each.gamma), "beta": spread_of(each.beta)}
                for each in self.batch_norms
            ]
        result: dict[str, Any] = _finite(plain)
        return result

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> NetworkHealth:
        """Back from `to_dict()`; five numbers for γ or β stand for all of them, unknown keys are left out."""
        layers = [
            LayerHealth(**_known(LayerHealth, {**each, "output_shape": tuple(each["output_shape"])}))
            for each in plain["layers"]
        ]
        norms = [
            BatchNormHealth(each["name"], tuple(each["gamma"] or ()), tuple(each["beta"] or ()))
            for each in plain["batch_norms"]
        ]
        own = {**plain, "layers": tuple(layers), "batch_norms": tuple(norms)}
        return cls(**_known(cls, {**own, "warnings": tuple(plain["warnings"])}))

    def __str__(self) -> str:
        loss = "" if self.loss is None else f", loss {self.loss:.4f}"
        step = "" if self.step is None else f"; update: next step of {self.step}"
        one = self.images == 1 and self.examples == "images"
        images = "1 image" if one else f"{self.images:,} {self.examples}"
        lines = [f"{self.network}, {images} in {self.mode} mode{loss}{step}"]
        lines.append(
            aligned(_HEAD, [_cells(layer) for layer in self.layers], right=(0, *range(3, len(_HEAD))))
        )
        if self.batch_norms:
            rows = [_scales(each) for each in self.batch_norms]
            lines += ["", aligned(_SCALES, rows, right=range(1, len(_SCALES)))]
        lines += ["", *_LEGEND]
        lines += ["", *(f"warning: {each}" for each in self.warnings)] if self.warnings else []
        return "\n".join(lines)

    def __repr__(self) -> str:
        images, troubles = f"{self.images:,} {self.examples}", f"{len(self.warnings)} warnings"
        return f"NetworkHealth({self.network}: {images} in {self.mode} mode, {troubles})"

    def _repr_html_(self) -> str:
        title, *_ = str(self).splitlines()
        tables = [table(_HEAD, map(_cells, self.layers), names=3)]
        if self.batch_norms:
            tables.append(table(_SCALES, map(_scales, self.batch_norms)))
        found = [paragraph("warnings:"), bullets(self.warnings)] if self.warnings else []
        return card(title, *tables, note(" ".join(_LEGEND)), *found)


def spread_of(values: tuple[float, ...]) -> tuple[float, float, float, float, float] | None:
    """Minimum, lower quartile, median, upper quartile and maximum; None of nothing.

    >>> spread_of((3.0, 1.0, 2.0))
    (1.0, 1.5, 2.0, 2.5, 3.0)
    """
    if not values:
        return None
    low, middle, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return min(values), low, middle, high, max(values)


_MEASURES = (
    "mean",
    "spread",
    "images",
    "dead",
    "zeros",
    "saturated",
    "output gradient",
    "gradient",
    "update",
)
_HEAD = ("#", "layer", "kind", *_MEASURES)
_LEGEND = (
    "mean, spread: of all outputs; images: spread over the images at one place; dead: units that are 0 for every",
    "image; zeros: outputs that are 0; saturated: outputs where the function has less than 5 % of its steepest slope;",
    "output gradient: norm, of one image's loss; gradient: norm, of the layer's parameters; update: the next step's",
    "norm as a share of theirs.",
)
_SCALES = (
    "batch norm",
    "channels",
    *(f"{sign} {what}" for sign in "γβ" for what in ("min", "median", "max")),
)


def _cells(layer: LayerHealth) -> tuple[str, ...]:
    shares = (layer.dead, layer.zeros, layer.saturated)
    numbers = (layer.mean, layer.spread, layer.image_spread)
    gradients = (layer.output_gradient, layer.gradient, layer.update)
    return (
        str(layer.number),
        layer.name,
        layer.kind,
        *map(_number, numbers),
        *("" if share is None else f"{share:.0%}" for share in shares),
        *map(_number, gradients),
    )


def _scales(norm: BatchNormHealth) -> tuple[str, ...]:
    found = [spread_of(norm.gamma), spread_of(norm.beta)]
    cells = [_number(each[place]) if each else "" for each in found for place in (0, 2, 4)]
    return norm.name, str(len(norm.gamma)), *cells


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


def _known(kind: type[LayerHealth | NetworkHealth], plain: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `kind`; numbers that were not finite are NaN again where None has no place."""
    names = [field.name for field in fields(kind)]
    broken = {name: math.nan for name in ("mean", "spread") if plain.get(name, 0.0) is None}
    return {name: value for name, value in {**plain, **broken}.items() if name in names}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

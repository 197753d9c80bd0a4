"""Effective receptive field: how much each pixel of the image really sways a unit, by the gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convnets.errors import InputError, UnknownNameError
from convnets.inspection.drawing.field_svg import field_svg
from convnets.inspection.graph.recording import GraphRecorder
from convnets.inspection.receptive_field.fields import AxisField, ReceptiveField, receptive_fields
from convnets.inspection.running.passes import image_shape
from convnets.inspection.running.preserve_state import preserve_state

__all__ = ["EffectiveField", "effective_field"]


@dataclass(frozen=True, eq=False)
class EffectiveField:
    """The pixels that a unit listens to, and how much to each."""

    layer: str
    unit: tuple[int, int]
    """Row and column in the layer's map."""
    weights: NDArray[np.float64] = field(repr=False)
    """H×W: mean |gradient| of the unit by pixel, summed over the channels of the image; all together 1."""
    box: tuple[int, int, int, int]
    """First and last row, first and last column of the image that the unit can see at all."""
    images: int
    """How many the gradient was averaged over."""
    exact: bool = True
    """False where the unit can see at most the box: see `ReceptiveField`."""

    def side_of(self, share: float) -> int:
        """Side in pixels of the least square around the weights' center that holds `share` of them; 0 < share ≤ 1."""
        if not 0 < share <= 1:
            raise InputError(f"share is {share}; allowed: above 0 up to 1, such as 0.9")
        rows, columns = np.indices(self.weights.shape)
        middle = [float((place * self.weights).sum()) for place in (rows, columns)]
        distance = np.maximum(np.abs(rows - middle[0]), np.abs(columns - middle[1])).ravel()
        order = np.argsort(distance, kind="stable")
        reached = np.cumsum(self.weights.ravel()[order])
        place = min(int(np.searchsorted(reached, share - 1e-12)), len(order) - 1)
        return 2 * int(np.ceil(distance[order[place]] - 0.5)) + 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the sides of squares that hold 50 and 90 % of the weight among them."""
        return {
            "layer": self.layer,
            "unit": list(self.unit),
            "box": list(self.box),
            "exact": self.exact,
            "images": self.images,
            "side_of_half": self.side_of(0.5),
            "side_of_90_percent": self.side_of(0.9),
            "weights": self.weights.tolist(),
        }

    def __str__(self) -> str:
        top, bottom, left, right = self.box
        place = f"{self.layer}, unit {self.unit[0]},{self.unit[1]}"
        seen = f"{bottom - top + 1}×{right - left + 1} pixels of the image"
        half, most = self.side_of(0.5), self.side_of(0.9)
        bound = "" if self.exact else "at most "
        return f"{place}: can see {bound}{seen}; half of the gradient lies within {half} pixels, 90 % within {most}"

    def _repr_svg_(self) -> str:
        return self.svg()

    def svg(self) -> str:
        """A picture: the darker a pixel, the more it counts; the frame is what the unit can see at all."""
        title = f"Effective receptive field of {self.layer}"
        return field_svg(self.weights, self.box, title, str(self), exact=self.exact)


def effective_field(
    network: nn.Module,
    layer: str,
    input_size: int | Sequence[int] | None = None,
    *,
    unit: tuple[int, int] | None = None,
    images: Tensor | int = 16,
) -> EffectiveField:
    """What one unit of `layer` listens to: the mean |gradient| of its channels' sum with respect to each pixel.

    The weight of a pixel follows Luo, Li, Urtasun & Zemel 2016, "Understanding the effective receptive field in deep
    convolutional neural networks". The network runs in evaluation mode with the weights it has, and is left as found.

    Args:
        network: a network on images whose weights are there (not on the meta device).
        layer: a name from `receptive_fields`, such as stage2.0.conv1, of an operation that gives maps N×C×H×W.
        input_size: C×H×W, as for `receptive_fields`.
        unit: row and column in the map; None takes the middle.
        images: N×C×H×W to average over, or how many images of random numbers.

    Raises UnknownNameError for another layer, InputError for a unit that is not in its map.

    >>> found = effective_field(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3)), "1", (1, 9, 9))
    >>> found.box, found.weights.shape, found.side_of(1.0)
    ((2, 6, 2, 6), (9, 9), 5)
    """
    shape = image_shape(network, input_size)
    if len(shape) != 3:
        raise InputError(
            f"input is {'×'.join(map(str, shape))}; an effective field is a picture of an image's pixels; of series "
            "the table of receptive fields says how far each layer sees"
        )
    known = {each.name: each for each in receptive_fields(network, shape) if len(each.shape) == 4}
    if layer not in known:
        near = [name for name in known if layer in name] or list(known)
        raise UnknownNameError("layer", layer, near[:12], "see them all with: convnets field MODEL")
    place = _unit(known[layer], unit)
    if any(each.is_meta for each in network.parameters()):
        raise InputError(
            "the network is on the meta device; an effective field needs its weights: build it on cpu"
        )
    batch = _random(network, shape, images) if isinstance(images, int) else images
    weights = _gradients(network, known[layer], place, batch)
    total = weights.sum()
    weights = weights / total if total > 0 else weights
    return EffectiveField(
        layer, place, weights, _box(known[layer], place), exact=known[layer].exact, images=len(batch)
    )


def _unit(found: ReceptiveField, unit: tuple[int, int] | None) -> tuple[int, int]:
    height, width = found.shape[2:]
    row, column = (height // 2, width // 2) if unit is None else unit
    if not (0 <= row < height and 0 <= column < width):
        raise InputError(
            f"unit is {row},{column}; {found.name} has rows 0 to {height - 1}, columns 0 to {width - 1}"
        )
    return row, column


def _box(found: ReceptiveField, unit: tuple[int, int]) -> tuple[int, int, int, int]:
    def span(axis: AxisField, place: int) -> tuple[int, int]:
        return axis.spans[place if len(axis.spans) > 1 else 0]

    (top, bottom), (left, right) = (span(axis, place) for axis, place in zip(found.axes, unit, strict=True))
    return top, bottom, left, right


def _random(network: nn.Module, shape: tuple[int, ...], count: int) -> Tensor:
    if isinstance(count, bool) or count < 1:
        raise InputError(f"images is {count}; allowed: 1 or more, or a tensor N×C×H×W")
    weight = next((each for each in network.parameters() if each.is_floating_point()), torch.zeros(1))
    numbers = torch.randn(count, *shape, generator=torch.Generator().manual_seed(0), device="cpu")
    return numbers.to(weight.device, weight.dtype)


def _gradients(
    network: nn.Module, found: ReceptiveField, unit: tuple[int, int], images: Tensor
) -> NDArray[np.float64]:
    """H×W: |gradient| summed over channels, averaged over images, which go one by one to keep memory small."""
    total = torch.zeros(images.shape[2:], dtype=torch.float64)
    with preserve_state(network):
        network.eval()
        for image in images:
            x = image[None].detach().clone().requires_grad_(True)
            recorder = GraphRecorder(network, (x,), keep=[found.node])
            with recorder.watching():
                network(x)
            unit_sum = recorder.kept[found.node][0][:, :, unit[0], unit[1]].sum()
            (gradient,) = torch.autograd.grad(unit_sum, x, allow_unused=True)
            total += 0 if gradient is None else gradient[0].abs().sum(0).double().cpu()
    return (total / len(images)).numpy()

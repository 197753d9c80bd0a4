"""Switch: what takes the place of a part that is switched off: zeros, its mean, or what other images have there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convnets.core.seeds import generator_for
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import InputError, UnknownNameError
from convnets.evaluation.scores import hardware_for
from convnets.explanation.ablation.parts import Part
from convnets.explanation.capture.capture import MEMORY, capture
from convnets.explanation.capture.watch import Change
from convnets.explanation.sample import pixels_of, spread_sample

__all__ = ["REPLACEMENTS", "Switch", "make_switch"]

REPLACEMENTS = ("zero", "mean", "resample")
"""zero: as if it were not there; mean: it says the same of every image; resample: it says what another image has."""
_DONORS = 64


@dataclass(frozen=True, eq=False)
class Switch:
    """How a part is switched off, with what it needs for that."""

    how: str
    donors: Tensor | None
    """What the layer gives for other images, D×C×…; None for zero."""
    places: tuple[int, ...]
    """Where the donors stand in the set of images, so that none gives to itself."""
    seed: int

    def change(self, part: Part, start: int) -> Change:
        """For a batch whose first image is at `start` of the set: its output with the part replaced."""
        replaced = {"zero": self._zeros, "mean": self._means, "resample": self._others}[self.how]
        channels = slice(None) if part.channels is None else list(part.channels)

        def switch_off(output: Tensor) -> Tensor:
            output[:, channels] = replaced(output, start)[:, channels]
            return output

        return switch_off

    @staticmethod
    def _zeros(output: Tensor, start: int) -> Tensor:  # noqa: ARG004  one signature for all three
        return torch.zeros_like(output)

    def _means(self, output: Tensor, start: int) -> Tensor:  # noqa: ARG002
        assert self.donors is not None
        means = (
            self.donors.double().flatten(2).mean((0, 2))
            if self.donors.ndim > 2
            else self.donors.double().mean(0)
        )
        shape = (1, -1, *[1] * (output.ndim - 2))
        return means.to(output.dtype).view(shape).expand_as(output)

    def _others(self, output: Tensor, start: int) -> Tensor:
        assert self.donors is not None
        numbers = torch.arange(start, start + len(output))
        random = generator_for(self.seed, "resample", start)
        chosen = torch.randint(len(self.donors), (len(output),), generator=random)
        itself = torch.tensor(self.places)[chosen] == numbers
        chosen[itself] = (chosen[itself] + 1) % len(self.donors)
        return self.donors[chosen.to(self.donors.device)]


def make_switch(
    how: str,
    network: nn.Module,
    layer: str,
    images: ImageSet,
    preprocess: Preprocess,
    *,
    seed: int = 0,
    memory: int = MEMORY,
) -> Switch:
    """A switch for parts of `layer`; means and donors are those of 64 of `images`, or all of fewer.

    Raises UnknownNameError for another way, InputError for a single image where others are needed.
    """
    if how not in REPLACEMENTS:
        raise UnknownNameError("replacement", how, REPLACEMENTS)
    if how == "zero":
        return Switch(how, None, (), seed)
    if len(images) < 2:
        raise InputError(
            f"{how} takes what other images have, and there is one image; give more, or choose zero"
        )
    sample = spread_sample(images, _DONORS)
    places = tuple(place * len(images) // len(sample) for place in range(len(sample)))
    device = hardware_for(network, None).device
    x = preprocess(pixels_of(sample, preprocess).to(device))
    return Switch(how, capture(network, x, [layer], memory=memory).maps[layer], places, seed)

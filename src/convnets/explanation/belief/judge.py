"""judge: deletion, insertion, randomization, sensitivity and localization of methods over many images."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from convnets.errors import InputError
from convnets.explanation.attribution.methods import METHODS, method_named
from convnets.explanation.attribution.question import Question
from convnets.explanation.belief.controls import edge_maps, random_maps
from convnets.explanation.belief.curves import deletion_and_insertion
from convnets.explanation.belief.estimate import estimate
from convnets.explanation.belief.importance import PixelMaps, pixel_maps
from convnets.explanation.belief.judgment import Judgment, Judgments
from convnets.explanation.belief.localization import energy_inside, pointing_game
from convnets.explanation.belief.randomization import randomize
from convnets.explanation.belief.sensitivity import sensitivity

__all__ = ["CONTROLS", "judge_controls", "judge_method", "judge_methods"]

CONTROLS: Mapping[str, Callable[[Tensor, int], Tensor]] = {
    "random map": random_maps,
    "edge detector": lambda images, _seed: edge_maps(images),
}
"""Maps that know nothing of the network."""


def judge_methods(
    ask: Callable[[str], Question],
    methods: Sequence[str] = tuple(METHODS),
    *,
    randomized: int | None = None,
    masks: ArrayLike | None = None,
) -> Judgments:
    """Every method on the images of a question, and the two controls.

    `ask` gives the question for a method's name, as `convnets.explanation.explain.ask` does; `randomized` is how many
    of its images are used for randomization and sensitivity, which take many passes (None: all); `masks`, H×W or
    N×H×W, say where the thing is known to be. A method that cannot explain the network is told with its reason.
    """
    rows, refused = [], {}
    for name in methods:
        try:
            rows.append(judge_method(ask(name), name, randomized=randomized, masks=masks))
        except InputError as error:
            refused[name] = str(error)
    return Judgments((*rows, *judge_controls(ask("gradient"), masks=masks)), refused)


def judge_method(
    question: Question,
    name: str,
    *,
    randomized: int | None = None,
    masks: ArrayLike | None = None,
    curves_of: nn.Module | None = None,
) -> Judgment:
    """One method, with all checks. Raises what the method raises.

    `curves_of` is the network that is asked for probabilities on the curves, such as the same one in bfloat16; by
    default that of the question.
    """
    method = method_named(name)
    began = time.perf_counter()
    maps = pixel_maps(question, method)
    seconds = (time.perf_counter() - began) / max(1, len(question.images))
    found: dict[str, Any] = _judged(question, maps.importance, masks, curves_of)
    count = len(question.images) if randomized is None else min(randomized, len(question.images))
    if count:
        few = question.at(torch.arange(count, device=question.images.device))
        known = PixelMaps(maps.signed[:count], maps.importance[:count])
        down = randomize(few, method, "top-down", seed=question.seed, maps=known)
        up = randomize(few, method, "bottom-up", seed=question.seed, maps=known)
        found |= {
            "top_down": estimate(down.signed.mean(1)),
            "top_down_absolute": estimate(down.absolute.mean(1)),
            "bottom_up": estimate(up.signed.mean(1)),
            "bottom_up_absolute": estimate(up.absolute.mean(1)),
            "randomized": estimate(down.signed[:, -1]),
            "randomized_absolute": estimate(down.absolute[:, -1]),
            "entropy_rise": estimate(down.entropy_rise),
            "sensitivity": estimate(sensitivity(few, method, seed=question.seed, maps=known)),
        }
    return Judgment(name, seconds=seconds, **found)


def judge_controls(
    question: Question, *, masks: ArrayLike | None = None, curves_of: nn.Module | None = None
) -> list[Judgment]:
    """The controls, which no randomization of weights and no class could change; `curves_of` as above."""
    return [
        _control(name, _judged(question, make(question.images, question.seed), masks, curves_of))
        for name, make in CONTROLS.items()
    ]


def _control(name: str, found: dict[str, Any]) -> Judgment:
    return Judgment(name, **found)


def _judged(
    question: Question, importance: Tensor, masks: ArrayLike | None, curves_of: nn.Module | None
) -> dict[str, Any]:
    asked = question if curves_of is None else replace(question, network=curves_of)
    curves = deletion_and_insertion(asked, importance, seed=question.seed)
    found = {
        "deletion": estimate(curves.deletion_area.double().cpu().numpy()),
        "insertion": estimate(curves.insertion_area.double().cpu().numpy()),
    }
    if masks is not None:
        maps = importance.double().cpu().numpy()
        found["energy"] = estimate(energy_inside(maps, masks))
        found["pointing"] = estimate(pointing_game(maps, masks).astype(np.float64))
    return found

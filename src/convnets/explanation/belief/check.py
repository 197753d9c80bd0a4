"""check: what a reader should know before believing the maps of a method, one verdict after the other.

N images.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from convnets.errors import InputError
from convnets.explanation.attribution.methods import METHODS, Method
from convnets.explanation.attribution.question import Question
from convnets.explanation.belief.controls import edge_maps, random_maps
from convnets.explanation.belief.curves import deletion_and_insertion
from convnets.explanation.belief.importance import PixelMaps, pixel_maps
from convnets.explanation.belief.randomization import randomize
from convnets.explanation.belief.rank_correlation import rank_correlation
from convnets.explanation.belief.sensitivity import sensitivity
from convnets.explanation.capture.layers import last_maps
from convnets.explanation.verdict import Verdict

__all__ = ["check_maps"]

_SAME = 0.5  # a rank correlation from which two maps look alike
_UNSTEADY = 0.5  # of a map that changes by half of itself nobody should read details
_DRAWS = 5  # random maps and randomized networks
_OTHERS = ("integrated-gradients", "occlusion", "grad-cam")

Values = NDArray[np.float64]


def check_maps(question: Question, method: Method) -> list[tuple[Verdict, ...]]:
    """For each image: randomization, deletion and insertion, sensitivity, agreement. Raises what the method raises."""
    if not len(question.images):
        return []
    maps = pixel_maps(question, method)
    edges = rank_correlation(maps.importance.abs(), edge_maps(question.images))
    checks = zip(
        _randomization(question, method, maps, edges),
        _deletion(question, maps),
        _sensitivity(question, method, maps),
        _agreement(question, method, maps),
        strict=True,
    )
    nothing = ((maps.signed == maps.signed[:, :1, :1]).flatten(1).all(1)).tolist()
    empty = Verdict(
        "empty", None, False, "This map is the same everywhere: there is nothing to believe or to doubt."
    )
    return [(empty,) if flat else found for flat, found in zip(nothing, checks, strict=True)]


def _randomization(question: Question, method: Method, maps: PixelMaps, edges: Values) -> Iterator[Verdict]:
    """With all weights shuffled, the mean over draws; signs count where they mean something."""
    draws = [
        randomize(question, method, steps=1, seed=question.seed + draw, maps=maps) for draw in range(_DRAWS)
    ]
    values = np.mean(
        [(each.absolute if method.by_magnitude else each.signed)[:, -1] for each in draws], axis=0
    )
    for value, edge in zip(values.tolist(), edges.tolist(), strict=True):
        number = f"rank correlation {value:z.2f}"
        if value >= _SAME:
            shown = "edges of the picture" if edge >= _SAME else "the picture"
            words = f"barely changes when the network's weights are randomized ({number}): it shows {shown}, not what "
            yield Verdict("randomization", value, False, f"This map {words}the network learned.")
        else:
            words = f"changes when the network's weights are randomized ({number}): it depends on what was learned."
            yield Verdict("randomization", value, True, f"This map {words}")


def _deletion(question: Question, maps: PixelMaps) -> Iterator[Verdict]:
    """Insertion area − deletion area, beside that of random maps and of edges."""

    def gaps(importance: object) -> Values:
        curves = deletion_and_insertion(question, importance, seed=question.seed)  # type: ignore[arg-type]
        found: Values = (curves.insertion_area - curves.deletion_area).double().cpu().numpy()
        return found

    own, edge = gaps(maps.importance), gaps(edge_maps(question.images))
    chance = np.max(
        [gaps(random_maps(question.images, question.seed + draw)) for draw in range(_DRAWS)], axis=0
    )
    for value, outline, luck in zip(own.tolist(), edge.tolist(), chance.tolist(), strict=True):
        numbers = f"insertion less deletion {value:z.2f}; at most {luck:z.2f} for random pixels, "
        numbers += f"{outline:z.2f} for edges"
        if value <= luck:
            words = "The pixels it ranks first matter no more to the network than random ones"
        elif value <= outline:
            words = (
                "The pixels it ranks first matter to the network, but no more than the edges of the picture"
            )
        else:
            words = "The pixels it ranks first matter to the network"
        passed = None if luck < value <= outline else value > luck
        yield Verdict("deletion", value, passed, f"{words} ({numbers}).")


def _sensitivity(question: Question, method: Method, maps: PixelMaps) -> Iterator[Verdict]:
    for value in sensitivity(question, method, seed=question.seed, maps=maps).tolist():
        if math.isnan(value):
            yield Verdict("sensitivity", None, None, "Whether noise changes it cannot be said.")
            continue
        steady = value < _UNSTEADY
        words = "is steady" if steady else "is unsteady: read no details in it"
        said = f"This map {words} (noise of 2 % of the range changes it by up to {value:.0%})."
        yield Verdict("sensitivity", value, steady, said)


def _agreement(question: Question, method: Method, maps: PixelMaps) -> Iterator[Verdict]:
    """Mean rank correlation with methods of other kinds, as far as they can explain this network."""
    found = {}
    for name in _OTHERS:
        if name != method.name:
            try:
                found[name] = rank_correlation(maps.importance, _maps_of(question, METHODS[name]).importance)
            except (
                InputError
            ):  # the method cannot explain this network, and says so when it is asked for itself
                continue
    if not found:
        for _ in range(len(question.images)):
            yield Verdict("agreement", None, None, "No other method can explain this network.")
        return
    for value in np.mean(list(found.values()), axis=0).tolist():
        alike = "much the same" if value >= _SAME else "a similar" if value >= _SAME / 2 else "another"
        words = f"Other methods ({', '.join(found)}) put the pixels in {alike} order (rank correlation {value:z.2f})."
        yield Verdict("agreement", value, None, words)


def _maps_of(question: Question, method: Method) -> PixelMaps:
    layers = (last_maps(question.calls),) if method.needs_layer else ()
    return pixel_maps(replace(question, layers=layers), method)

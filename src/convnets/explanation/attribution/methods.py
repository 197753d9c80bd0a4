"""Methods: the one table of the ways to explain a class, by the name that `explain` takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from convnets.errors import UnknownNameError
from convnets.explanation.attribution.cams import grad_cam, grad_cam_plus_plus, hires_cam, layer_cam
from convnets.explanation.attribution.gradients import (
    gradient,
    gradient_times_input,
    integrated_gradients,
    smooth_grad,
)
from convnets.explanation.attribution.guided import guided_backpropagation
from convnets.explanation.attribution.occluding import occlusion, rise, score_cam
from convnets.explanation.attribution.question import Answer, Question
from convnets.explanation.attribution.relevance import relevance

__all__ = ["METHODS", "Method", "method_named"]


@dataclass(frozen=True)
class Method:
    """A way to explain, and how its maps are to be read."""

    name: str
    answer: Callable[[Question], Answer]
    summary: str
    needs_layer: bool = False
    """Whether it looks at the feature maps of a layer; others look at pixels, and take no layer."""
    keeps_positive: bool = False
    """Whether its paper keeps only what speaks for the class."""
    by_magnitude: bool = False
    """Whether a sign says brighter or darker, not for or against, so that pixels are ranked by |value|."""


def _of_maps(name: str, answer: Callable[[Question], Answer], summary: str) -> Method:
    return Method(name, answer, summary, needs_layer=True, keeps_positive=True)


_ALL = (
    Method("gradient", gradient, "how the score changes with each pixel", by_magnitude=True),
    Method("gradient-x-input", gradient_times_input, "gradient times pixel"),
    Method("smooth-grad", smooth_grad, "mean gradient of 50 noisy copies", by_magnitude=True),
    Method(
        "integrated-gradients",
        integrated_gradients,
        "gradients from the mean color to the picture; adds up to the score",
    ),
    Method(
        "guided-backpropagation", guided_backpropagation, "only positive gradients go back", by_magnitude=True
    ),
    Method("occlusion", occlusion, "what the score loses where a square hides the picture"),
    Method("rise", rise, "1,000 random masks, weighed by the probability that is left"),
    _of_maps("grad-cam", grad_cam, "last maps, weighed by their mean gradient"),
    _of_maps("grad-cam++", grad_cam_plus_plus, "the same for several things of one class"),
    _of_maps("hires-cam", hires_cam, "maps times gradient, position by position"),
    _of_maps("layer-cam", layer_cam, "maps times positive gradient; fit for early layers"),
    _of_maps("score-cam", score_cam, "maps, weighed by the score of what they light up"),
    Method("lrp", relevance, "the score, handed back layer by layer; for chains of layers"),
)
METHODS = {method.name: method for method in _ALL}
"""By name, in the order in which they are listed."""


def method_named(name: str) -> Method:
    """Raises UnknownNameError.

    >>> method_named("grad-cam").needs_layer
    True
    """
    if name not in METHODS:
        raise UnknownNameError("method", name, METHODS)
    return METHODS[name]

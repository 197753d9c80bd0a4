"""Randomization: does a map change when what the network learned is taken from it?

N images, S steps of randomization.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from convnets.explanation.attribution.methods import Method
from convnets.explanation.attribution.question import Question
from convnets.explanation.belief.importance import PixelMaps, pixel_maps
from convnets.explanation.belief.rank_correlation import rank_correlation
from convnets.explanation.belief.shuffling import layers_with_weights, shuffled_networks

__all__ = ["Randomization", "entropy", "randomize"]

_BINS = 100


@dataclass(frozen=True, eq=False)
class Randomization:
    """Rank correlations of maps with those of networks that were randomized more and more."""

    order: str
    """`top-down`, from the logits on, or `bottom-up`, from the image on."""
    layers: tuple[str, ...]
    """Up to which each of the S steps is randomized; at the last one all are."""
    signed: NDArray[np.float64]
    """N×S: of the maps as they are."""
    absolute: NDArray[np.float64]
    """N×S: of their absolute values."""
    entropy_rise: NDArray[np.float64]
    """N, eMPRT: (H(randomized) − H(trained)) / H(trained), of the network with all layers randomized.

    H is the entropy of a histogram of the map with 100 bins; NaN where the trained network's map is the same
    everywhere. Above 0 where the map was in order and is no more.
    """


def randomize(
    question: Question,
    method: Method,
    order: str = "top-down",
    *,
    steps: int = 5,
    seed: int = 0,
    maps: PixelMaps | None = None,
) -> Randomization:
    """Ask the method again about networks whose layers are shuffled one after the other, for the same classes.

    Adebayo et al. 2018, "Sanity checks for saliency maps", arXiv:1810.03292, whose order is top-down and whose maps
    lost their signs; Binder et al. 2023, "Shortcomings of top-down randomization-based sanity checks", CVPR, show how
    such choices decide the verdict, so that both are given here. eMPRT: Hedström et al. 2023, "Sanity checks
    revisited: an exploration to repair the model parameter randomization test", XAI in Action.
    `maps` are those of the network itself, where they are known. Raises what the method and `shuffled_networks`
    raise.
    """
    known = pixel_maps(question, method) if maps is None else maps
    names, signed, absolute = [], [], []
    last = known.signed
    layers = layers_with_weights(question.network, question.calls)
    for name, network in shuffled_networks(question.network, layers, order, steps=steps, seed=seed):
        last = pixel_maps(replace(question, network=network), method).signed
        names.append(name)
        signed.append(rank_correlation(known.signed, last))
        absolute.append(rank_correlation(known.signed.abs(), last.abs()))
    before, after = entropy(known.signed), entropy(last)
    rise = np.divide(after - before, before, out=np.full_like(before, np.nan), where=before > 0)
    return Randomization(order, tuple(names), np.stack(signed, 1), np.stack(absolute, 1), rise)


def entropy(maps: Tensor) -> NDArray[np.float64]:
    """N×H×W → N: −Σ p ln p over 100 bins between the least and the largest value of each map; 0 for a flat one.

    >>> import torch
    >>> entropy(torch.tensor([[[0.0, 1.0]], [[2.0, 2.0]]])).round(3).tolist()
    [0.693, 0.0]
    """
    rows = maps.flatten(1).double().cpu().numpy()
    found = [float(stats.entropy(np.histogram(row, bins=_BINS)[0])) for row in rows]
    return np.asarray(found, dtype=np.float64)

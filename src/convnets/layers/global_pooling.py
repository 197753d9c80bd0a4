"""Global pooling: the maps of an image become one vector, by average, maximum, generalized mean, grid or regions.

N images, C channels, H height, W width, D numbers of the vector.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.errors import ConfigError, InputError, UnknownNameError
from convnets.layers.number_types import as_floats

__all__ = ["POOLINGS", "GeneralizedMean", "generalized_mean", "pool", "region_maximum", "regions"]

POOLINGS = ("flatten", "average", "maximum", "both", "gem", "grid", "grid-maximum", "rmac")
"""What `pool` knows."""

_SMALLEST = 1e-6  # values are raised to at least this before a power, as in Radenović et al. 2019
_OVERLAP = 0.4  # share that neighboring regions of the coarsest scale have in common, Tolias et al. 2016
_MOST_REGIONS = 7  # along the long side at the coarsest scale


def pool(maps: Tensor, pooling: str, *, p: float | Tensor = 3.0, grid: int = 6, levels: int = 3) -> Tensor:
    """Float N×C×H×W → N×D, the maps of each image as one vector.

    - `flatten`: every number, D = C·H·W; N×D vectors pass through
    - `average`: of each map, D = C: where on the image a thing is does not matter, how much of it does
    - `maximum`: of each map, D = C: the strongest answer, wherever it is
    - `both`: average and maximum side by side, D = 2·C
    - `gem`: the generalized mean with exponent `p`, D = C: 1 is the average, ∞ the maximum
    - `grid`, `grid-maximum`: average or maximum in each cell of `grid` × `grid`, D = C·grid²
    - `rmac`: maxima of overlapping regions at `levels` scales, each of length 1, added up, D = C

    Raises UnknownNameError for another pooling, InputError for vectors where maps are needed and ConfigError for
    an exponent, grid or number of levels that is not above 0.

    >>> maps = torch.tensor([[[[0.0, 1.0], [2.0, 5.0]]]])
    >>> pool(maps, "both")
    tensor([[2., 5.]])
    """
    if pooling not in POOLINGS:
        raise UnknownNameError("pooling", pooling, POOLINGS)
    if pooling == "flatten":
        return maps.flatten(1)
    if maps.ndim != 4:
        raise InputError(
            f"{pooling} pooling got shape {tuple(maps.shape)}; allowed: maps N×C×H×W; use flatten for vectors"
        )
    maps = as_floats(maps)
    match pooling:
        case "average":
            return maps.mean((2, 3))
        case "maximum":
            return maps.amax((2, 3))
        case "both":
            return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1)
        case "gem":
            return generalized_mean(maps, p)
        case "rmac":
            return region_maximum(maps, levels)
    if grid < 1:
        raise ConfigError(f"grid is {grid}; allowed: 1 or more")
    in_cells = F.adaptive_avg_pool2d if pooling == "grid" else F.adaptive_max_pool2d
    return in_cells(maps, grid).flatten(1)


def generalized_mean(maps: Tensor, p: float | Tensor = 3.0) -> Tensor:
    """(mean over H×W of x^p)^(1/p) of each map, N×C×H×W → N×C; values below 1e-6 count as that.

    Source: Radenović, Tolias & Chum 2019, "Fine-tuning CNN image retrieval with no human annotation", equation 3.
    Each map is divided by its maximum before the power and multiplied after, so that a large `p` cannot overflow.
    Raises ConfigError for p of 0 or below.

    >>> generalized_mean(torch.tensor([[[[3.0, 4.0]]]]), p=2) ** 2
    tensor([[12.5000]])
    """
    if not isinstance(p, Tensor) and not p > 0:  # a learned one is kept above 0 by its module
        raise ConfigError(f"p is {p}; allowed: above 0, such as 3")
    raised = maps.clamp(min=_SMALLEST)
    largest = raised.amax((2, 3), keepdim=True).detach()
    means = (raised / largest).pow(p).mean((2, 3)).pow(1 / p)
    return means * largest.flatten(1)


class GeneralizedMean(nn.Module):
    """Generalized-mean pooling whose exponent is learned with the network's weights: N×C×H×W → N×C.

    >>> GeneralizedMean(p=1.0)(torch.tensor([[[[1.0, 3.0]]]])).tolist()
    [[2.0]]
    """

    def __init__(self, p: float = 3.0) -> None:
        super().__init__()
        if not p > 0:
            raise ConfigError(f"p is {p}; allowed: above 0, such as 3")
        self.p = nn.Parameter(torch.tensor(float(p)))

    def forward(self, maps: Tensor) -> Tensor:
        """Pool with the present exponent, which is kept at 0.1 or above."""
        return generalized_mean(maps, self.p.clamp(min=0.1))


def region_maximum(maps: Tensor, levels: int = 3) -> Tensor:
    """R-MAC: the maximum of each map in each of `regions`, of length 1 per region, added up: N×C×H×W → N×C.

    Source: Tolias, Sicre & Jégou 2016, "Particular object retrieval with integral max-pooling of CNN
    activations", section 3.2, without the whitening of each region.

    >>> region_maximum(torch.tensor([[[[3.0]], [[4.0]]]]), levels=1)
    tensor([[0.6000, 0.8000]])
    """
    maps = as_floats(maps)
    total = maps.new_zeros(maps.shape[:2])
    for top, left, side in regions(maps.shape[2], maps.shape[3], levels):
        total = total + F.normalize(maps[:, :, top : top + side, left : left + side].amax((2, 3)))
    return total


def regions(height: int, width: int, levels: int = 3) -> list[tuple[int, int, int]]:
    """(top, left, side) of the square regions of R-MAC, in cells of the map.

    At scale l = 1 … `levels` the side is 2·min(H, W) / (l + 1), rounded down; l regions lie at equal distances
    along the short side and l + m − 1 along the long one, with m such that at the first scale neighbors overlap
    by as near to 40 % as can be.

    >>> regions(4, 4, 2)
    [(0, 0, 4), (0, 0, 2), (0, 2, 2), (2, 0, 2), (2, 2, 2)]
    """
    if levels < 1:
        raise ConfigError(f"levels is {levels}; allowed: 1 or more")
    short, long = min(height, width), max(height, width)
    more = 0
    if long > short:
        overlap = [1 - (long - short) / ((count - 1) * short) for count in range(2, _MOST_REGIONS + 1)]
        more = min(range(len(overlap)), key=lambda place: abs(overlap[place] - _OVERLAP)) + 1
    found: list[tuple[int, int, int]] = []
    for level in range(1, levels + 1):
        side = max(1, 2 * short // (level + 1))
        down = _starts(height - side, level + more * (height > width))
        across = _starts(width - side, level + more * (width > height))
        found += [(top, left, side) for top in down for left in across]
    return list(dict.fromkeys(found))  # on a small map fine scales repeat themselves


def _starts(room: int, count: int) -> list[int]:
    return [0] if count == 1 else [room * place // (count - 1) for place in range(count)]

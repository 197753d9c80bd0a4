"""Similar images: the last maps of many images, kept, so that every way to pool them answers at once.

N images, C channels, H×W positions of the maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from convnets.data.batches import Batches
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import InputError
from convnets.evaluation.distances import pairwise_distances
from convnets.evaluation.scores import evaluation_mode
from convnets.explanation.sample import spread_sample
from convnets.layers.global_pooling import pool
from convnets.models.stage import stage_of
from convnets.studio.desk import Wanted
from convnets.studio.library import Library
from convnets.training.objectives.miners import mine

__all__ = ["Gallery", "described_gallery", "nearest", "patch_similarities", "query_maps", "triplets_of"]

_MOST_BYTES = 256 << 20  # of kept maps
_MAXIMUM = 32.0  # an exponent from which on the maximum itself is taken


@dataclass(frozen=True, eq=False)
class Gallery:
    """Images to search among."""

    places: tuple[int, ...]
    """Numbers of the images in their part."""
    maps: Tensor
    """float32 N×C×H×W: what `features` gives; N×D×1×1 of networks without maps."""
    labels: Tensor


def described_gallery(
    library: Library, run: str, epoch: int | None, part: str, count: int, wanted: Wanted
) -> Gallery:
    """The maps of at most `count` images of a part, at equal distances; fewer where they would take 256 MB."""
    model, images = library.model(run, epoch), library.part(run, part)[1]
    if not 2 <= count <= 20_000:
        raise InputError(f"{count} images to search among; allowed: 2 to 20000")
    key = ("gallery", *library.version(run, epoch), part, count)
    return library.results.get(
        key,
        lambda: _describe(model.network, images, model.preprocess, count, wanted),
        size=lambda made: made.maps.nbytes,
    )


def _describe(
    network: torch.nn.Module, images: ImageSet, preprocess: Preprocess, count: int, wanted: Wanted
) -> Gallery:
    with evaluation_mode(network):
        first = maps_of(network, preprocess(_first_pixels(images, preprocess)))
    count = min(count, len(images), max(2, _MOST_BYTES // (4 * first[0].numel())))
    sample = spread_sample(images, count)
    places = (
        tuple(n * len(images) // count for n in range(count)) if count < len(images) else tuple(range(count))
    )
    found = []
    for batch in Batches(sample, preprocess, 256).epoch():
        with evaluation_mode(network):
            found.append(maps_of(network, batch.images))
        wanted.check()
    return Gallery(places, torch.cat(found), sample.labels)


def _first_pixels(images: ImageSet, preprocess: Preprocess) -> Tensor:
    stored = images.images
    return stored[:1] if isinstance(stored, Tensor) else preprocess.store(stored.open(0))[None]


def maps_of(network: torch.nn.Module, images: Tensor) -> Tensor:
    """float32 N×C×H×W of normalized images, with one position where the network has no maps."""
    maps: Tensor = stage_of(network, "features")(images).detach().float().cpu()
    return maps if maps.ndim == 4 else maps.flatten(1)[:, :, None, None]


def query_maps(
    network: torch.nn.Module, preprocess: Preprocess, pixels: Tensor, crop: tuple[int, ...] = ()
) -> Tensor:
    """1×C×H×W of a picture uint8 C×H×W, or of the part (top, bottom, left, right) of it, enlarged to the input."""
    if crop:
        top, bottom, left, right = crop
        height, width = pixels.shape[1:]
        if not (0 <= top < bottom <= height and 0 <= left < right <= width):
            raise InputError(f"crop {crop}; allowed: rows within 0 to {height}, columns within 0 to {width}")
        cut = pixels[:, top:bottom, left:right]
        picture = Image.fromarray(
            cut[0].numpy() if len(cut) == 1 else cut.permute(1, 2, 0).contiguous().numpy()
        )
        pixels = preprocess.store(picture)
    with evaluation_mode(network):
        return maps_of(network, preprocess(pixels[None]))


def pooled(maps: Tensor, p: float) -> Tensor:
    """N×C of length 1: the average for p 1, the generalized mean, the maximum from p 32 on."""
    if p >= _MAXIMUM:
        vectors = pool(maps, "maximum")
    elif p == 1:
        vectors = pool(maps, "average")
    else:
        vectors = pool(maps, "gem", p=p)
    return F.normalize(vectors, dim=1)


def nearest(gallery: Gallery, query: Tensor, p: float, k: int) -> list[tuple[int, int, float]]:
    """Place, label and cosine of the k most similar images. Raises InputError for another exponent."""
    if not 1 <= p <= _MAXIMUM:
        raise InputError(f"p is {p}; allowed: 1, the average, to {_MAXIMUM:g}, the maximum")
    cosines = pooled(gallery.maps, p) @ pooled(query, p)[0]
    order = cosines.argsort(descending=True, stable=True)[: max(1, min(k, len(cosines)))].tolist()
    return [(gallery.places[each], int(gallery.labels[each]), float(cosines[each])) for each in order]


def patch_similarities(query: Tensor, found: Tensor) -> Tensor:
    """(h·w)×(H·W), −1 to 1: the cosine of each position of one map 1×C×h×w with each of the other's.

    >>> maps = torch.eye(2)[None, :, :, None]
    >>> patch_similarities(maps, maps)
    tensor([[1., 0.],
            [0., 1.]])
    """
    one, other = (F.normalize(each[0].flatten(1), dim=0) for each in (query, found))
    return one.T @ other


def triplets_of(gallery: Gallery, miner: str, margin: float, batch: int, p: float) -> dict[str, Any]:
    """The triplets that the triplet loss would look at in a batch of the gallery, those of largest loss first."""
    if not 4 <= batch <= 512 or not 0 < margin <= 2:
        raise InputError(f"a batch of {batch}, margin {margin}; allowed: 4 to 512 images, above 0 to 2")
    step = max(1, len(gallery.places) // batch)
    chosen = torch.arange(0, len(gallery.places), step)[:batch]
    labels = gallery.labels[chosen]
    distances = pairwise_distances(pooled(gallery.maps[chosen], p), pooled(gallery.maps[chosen], p))
    generator = torch.Generator().manual_seed(0)
    found = mine(miner, distances, labels, margin, dimensions=gallery.maps.shape[1], generator=generator)
    near, far = distances[found.anchors, found.positives], distances[found.anchors, found.negatives]
    losses = (near - far + margin).clamp(min=0)
    order = losses.argsort(descending=True, stable=True)[:12].tolist()
    rows = [
        {
            **{
                name: gallery.places[int(chosen[places[each]])]
                for name, places in zip(("anchor", "positive", "negative"), found, strict=True)
            },
            "near": float(near[each]),
            "far": float(far[each]),
            "loss": float(losses[each]),
        }
        for each in order
    ]
    active = losses > 0
    mean = float(losses.sum() / active.sum().clamp(min=1))
    return {
        "triplets": rows,
        "mined": len(losses),
        "active": int(active.sum()),
        "loss": mean,
        "images": len(chosen),
    }

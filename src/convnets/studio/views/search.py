"""Search: similar images by an image, a part of it or a drawing; which patch matches which; triplets."""

from __future__ import annotations

from typing import Any

import torch
from fastapi import APIRouter, Request
from starlette.responses import Response
from torch import Tensor

from convnets.data.image_set import ImageSet
from convnets.errors import InputError
from convnets.studio.answers import array_answer, json_answer
from convnets.studio.desk import Wanted
from convnets.studio.findings.similar import (
    described_gallery,
    nearest,
    patch_similarities,
    query_maps,
    triplets_of,
)
from convnets.studio.library import Opened
from convnets.studio.workplace import Workplace, code

__all__ = ["make_search_routes"]


def make_search_routes(place: Workplace) -> APIRouter:
    """Similar images and why they are."""
    router = APIRouter()

    @router.get("/search")
    async def search(
        request: Request,
        run: str,
        part: str,
        image: int,
        epoch: int | None = None,
        among: str = "test",
        count: int = 5000,
        p: float = 1.0,
        k: int = 24,
        crop: str = "",
    ) -> Response:
        def found(wanted: Wanted) -> dict[str, Any]:
            opened = place.library.open(run, epoch, part, image)
            gallery = described_gallery(place.library, run, epoch, among, count, wanted)
            cut = _crop(crop)
            query = query_maps(opened.model.network, opened.model.preprocess, opened.pixels, cut)
            hits = nearest(gallery, query, p, k + 1)
            if among == part and not cut:  # the image itself is no find
                hits = [each for each in hits if each[0] != image]
            return {
                **_hits(opened.images if among == part else place.library.part(run, among)[1], hits[:k]),
                "among": len(gallery.places),
                "code": _search_code(opened, among, len(gallery.places), p, cut),
            }

        return json_answer(await place.desk.long(request, found))

    @router.post("/search/drawing")
    async def drawing(
        request: Request,
        run: str,
        epoch: int | None = None,
        among: str = "test",
        count: int = 5000,
        p: float = 1.0,
        k: int = 24,
    ) -> Response:
        body = await request.body()

        def found(wanted: Wanted) -> dict[str, Any]:
            model = place.library.model(run, epoch)
            pixels = drawn_pixels(body, model.preprocess.channels, model.preprocess.size)
            gallery = described_gallery(place.library, run, epoch, among, count, wanted)
            hits = nearest(gallery, query_maps(model.network, model.preprocess, pixels), p, k)
            return {**_hits(place.library.part(run, among)[1], hits), "among": len(gallery.places)}

        return json_answer(await place.desk.long(request, found))

    _add_reasons(router, place)
    return router


def _add_reasons(router: APIRouter, place: Workplace) -> None:
    @router.get("/search/patches")
    async def patches(
        request: Request,
        run: str,
        part: str,
        image: int,
        hit: int,
        epoch: int | None = None,
        among: str = "test",
        crop: str = "",
    ) -> Response:
        def compared(_: Wanted) -> Response:
            opened = place.library.open(run, epoch, part, image)
            other = place.library.open(run, epoch, among, hit)
            network, preprocess = opened.model.network, opened.model.preprocess
            query = query_maps(network, preprocess, opened.pixels, _crop(crop))
            found = query_maps(network, preprocess, other.pixels)
            sides = {"query": list(query.shape[2:]), "found": list(found.shape[2:])}
            return array_answer(patch_similarities(query, found), **sides)

        return await place.desk.quick(request, compared)

    @router.get("/search/triplets")
    async def triplets(
        request: Request,
        run: str,
        part: str,
        epoch: int | None = None,
        miner: str = "semi-hard",
        margin: float = 0.2,
        batch: int = 64,
        p: float = 1.0,
    ) -> Response:
        def mined(wanted: Wanted) -> dict[str, Any]:
            gallery = described_gallery(place.library, run, epoch, part, 2000, wanted)
            found = triplets_of(gallery, miner, margin, batch, p)
            images = place.library.part(run, part)[1]
            for row in found["triplets"]:
                row["labels"] = [
                    images.classes[int(images.labels[row[name]])]
                    for name in ("anchor", "positive", "negative")
                ]
            return {**found, "code": code(_triplet_code(place, run, part, miner, margin, batch))}

        return json_answer(await place.desk.long(request, mined))


def drawn_pixels(body: bytes, channels: int, size: int) -> Tensor:
    """uint8 C×S×S of raw bytes. Raises InputError for another number of them."""
    if len(body) != channels * size * size:
        raise InputError(
            f"the drawing has {len(body):,} bytes; allowed: {channels}×{size}×{size} = {channels * size * size:,}"
        )
    return torch.frombuffer(bytearray(body), dtype=torch.uint8).reshape(channels, size, size)


def _crop(words: str) -> tuple[int, ...]:
    if not words:
        return ()
    try:
        found = tuple(int(each) for each in words.split(","))
    except ValueError:
        found = ()
    if len(found) != 4:
        raise InputError(f"crop is {words[:40]!r}; allowed: top,bottom,left,right in pixels")
    return found


def _hits(images: ImageSet, hits: list[tuple[int, int, float]]) -> dict[str, Any]:
    rows = [
        {"image": index, "label": images.classes[label], "similarity": cosine}
        for index, label, cosine in hits
    ]
    return {"hits": rows}


def _search_code(
    opened: Opened, among: str, count: int, p: float, crop: tuple[int, ...]
) -> dict[str, str | None]:
    path = str(opened.run.path)
    folder = path + "/model" if opened.epoch is None else str(opened.run.epoch_folder(opened.epoch))
    pooling = "average" if p == 1 else "maximum" if p >= 32 else "gem"
    exponent = f", p={p:g}" if pooling == "gem" else ""
    whole = not crop
    python = f"""
from convnets import Descriptor, describe, load_model
from convnets.explanation.sample import pixels_of, spread_sample
from convnets.serving.model_and_images import open_model_and_images
model = load_model({folder!r})
among = spread_sample(open_model_and_images({path!r}, part={among!r}).images, {count})
query = open_model_and_images({path!r}, part={opened.part!r}).images.subset([{opened.index}])
descriptor = Descriptor(stage="features", pooling={pooling!r}{exponent})
vectors = describe(model.network, among, model.preprocess, descriptor)
cosines = vectors @ describe(model.network, query, model.preprocess, descriptor)[0]
for place in cosines.argsort(descending=True)[:10].tolist():
    print(place, among.classes[int(among.labels[place])], float(cosines[place]))
"""
    return code(python if whole else "")


def _triplet_code(place: Workplace, run: str, part: str, miner: str, margin: float, batch: int) -> str:
    path = str(place.path(run))
    return f"""
import torch
from convnets import Descriptor, TripletLoss, describe, load_model
from convnets.explanation.sample import spread_sample
from convnets.serving.model_and_images import open_model_and_images
model = load_model({path + "/model"!r})
images = spread_sample(open_model_and_images({path!r}, part={part!r}).images, 2000)
images = images.subset(list(range(0, len(images), max(1, len(images) // {batch})))[:{batch}])
vectors = describe(model.network, images, model.preprocess, Descriptor(stage="features", pooling="average"))
print(float(TripletLoss(margin={margin}, miner={miner!r})(vectors, images.labels)))
"""

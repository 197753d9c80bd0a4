"""Images: the data set, what augmentation makes of it, and the map of embeddings."""

from __future__ import annotations

import shlex
from typing import Any

import torch
from fastapi import APIRouter, Request
from starlette.responses import Response

from convnets.core.seeds import generator_for
from convnets.data.augmentation.augment import augment_images, parse_augmentations
from convnets.errors import InputError
from convnets.explanation.representations.embedding_map import map_embeddings
from convnets.explanation.sample import pixels_of, spread_sample
from convnets.studio.answers import json_answer, png_answer
from convnets.studio.desk import Wanted
from convnets.studio.findings.sheets import MOST_LISTED, picture_of, sheet_of
from convnets.studio.workplace import Workplace, code

__all__ = ["make_image_routes"]

_SIDE = 448  # pixels that a single picture is sent with at most
_DRAWS = 12  # of an augmentation


def make_image_routes(place: Workplace) -> APIRouter:
    """Pictures, lists of them, and what a network says of them."""
    router = APIRouter()

    @router.get("/data")
    async def data(request: Request, run: str) -> Response:
        return json_answer(await place.desk.quick(request, lambda _: _data(place, run)))

    @router.get("/image.png")
    async def image(request: Request, run: str, part: str, image: int, side: int | None = None) -> Response:
        if side is not None and not 1 <= side <= _SIDE:
            raise InputError(f"side is {side}; allowed: 1 to {_SIDE}")

        def drawn(_: Wanted) -> Any:
            opened = place.library.open(run, None, part, image)
            return picture_of(opened.images, image, opened.model.preprocess, side)

        return png_answer(await place.desk.quick(request, drawn))

    @router.get("/sheet.png")
    async def sheet(
        request: Request, run: str, part: str, images: str, side: int = 64, columns: int = 10
    ) -> Response:
        indices = _indices(images)
        if not 1 <= side <= 128 or not 1 <= columns <= 100:
            raise InputError(f"side {side}, columns {columns}; allowed: 1 to 128, and 1 to 100")

        def drawn(_: Wanted) -> Any:
            found = place.library.part(run, part)[1]
            _check(indices, len(found))
            return sheet_of(found, indices, place.library.model(run).preprocess, side, columns)

        return png_answer(await place.desk.quick(request, drawn))

    @router.get("/list")
    async def listed(
        request: Request, run: str, part: str, label: int | None = None, start: int = 0, count: int = 60
    ) -> Response:
        return json_answer(
            await place.desk.quick(request, lambda _: _listed(place, run, part, label, start, count))
        )

    _add_looks(router, place)
    return router


def _add_looks(router: APIRouter, place: Workplace) -> None:
    @router.get("/augmented.png")
    async def augmented(
        request: Request, run: str, part: str, image: int, augment: str, seed: int = 0
    ) -> Response:
        return png_answer(
            await place.desk.quick(request, lambda _: _augmented(place, run, part, image, augment, seed))
        )

    @router.get("/embedding")
    async def embedding(
        request: Request,
        run: str,
        part: str,
        epoch: int | None = None,
        method: str = "pca",
        count: int = 1000,
        stage: str = "embed",
    ) -> Response:
        return json_answer(
            await place.desk.long(
                request, lambda wanted: _embedding(place, run, epoch, part, method, count, stage, wanted)
            )
        )


def _indices(words: str) -> list[int]:
    try:
        found = [int(each) for each in words.split(",") if each]
    except ValueError:
        raise InputError(f"images are {words[:40]!r}; allowed: numbers with commas") from None
    if len(found) > MOST_LISTED:
        raise InputError(f"{len(found)} images; allowed: at most {MOST_LISTED}")
    return found


def _check(indices: list[int], count: int) -> None:
    for index in indices:
        if not 0 <= index < count:
            raise InputError(f"image {index}; allowed: 0 to {count - 1}")


def _data(place: Workplace, run: str) -> dict[str, Any]:
    parts, path = place.library.parts(run), str(place.path(run))
    model = place.library.model(run)
    python = f"""
from convnets.serving.model_and_images import PARTS, open_model_and_images
for part in PARTS:
    try:
        print(part, open_model_and_images({path!r}, part=part).images.class_counts())
    except ValueError:
        pass
"""
    rows = [
        {"name": name, "images": len(each), "counts": list(each.class_counts().values())}
        for name, each in parts.items()
    ]
    first = next(iter(parts.values()))
    return {
        "source": first.source,
        "classes": list(model.classes),
        "channels": model.preprocess.channels,
        "size": model.preprocess.size,
        "parts": rows,
        "code": code(python),
    }


def _listed(
    place: Workplace, run: str, part: str, label: int | None, start: int, count: int
) -> dict[str, Any]:
    images = place.library.part(run, part)[1]
    if not 1 <= count <= MOST_LISTED or start < 0:
        raise InputError(f"{count} images from {start} on; allowed: 1 to {MOST_LISTED}, from 0 on")
    if label is None:
        found, total = list(range(start, min(start + count, len(images)))), len(images)
    else:
        of_class = (images.labels == label).nonzero().flatten()
        found, total = of_class[start : start + count].tolist(), len(of_class)
    return {"images": found, "labels": [int(images.labels[index]) for index in found], "total": total}


def _augmented(place: Workplace, run: str, part: str, image: int, words: str, seed: int) -> Any:
    opened = place.library.open(run, None, part, image)
    chosen = parse_augmentations([words]) if words else ()
    preprocess = opened.model.preprocess
    stored = pixels_of(opened.images.subset([image]), preprocess)
    unit = preprocess.to_unit(stored).expand(_DRAWS, -1, -1, -1)
    drawn = augment_images(unit.clone(), chosen, generator_for(seed, "studio preview"))
    fitted = (preprocess.fit(drawn).clamp(0, 1) * 255).round().to(torch.uint8)
    fitted = fitted.expand(-1, 3, -1, -1) if fitted.shape[1] == 1 else fitted
    rows = fitted.reshape(2, _DRAWS // 2, *fitted.shape[1:]).permute(0, 3, 1, 4, 2)
    return rows.reshape(2 * fitted.shape[2], -1, 3).contiguous().numpy()


def _embedding(
    place: Workplace,
    run: str,
    epoch: int | None,
    part: str,
    method: str,
    count: int,
    stage: str,
    wanted: Wanted,
) -> dict[str, Any]:
    library = place.library
    model, images = library.model(run, epoch), library.part(run, part)[1]
    if not 3 <= count <= 5000:
        raise InputError(f"{count} images; allowed: 3 to 5000")
    key = ("embedding", *library.version(run, epoch), part, method, count, stage)

    def make() -> dict[str, Any]:
        sample = spread_sample(images, count)
        places = [
            n * len(images) // len(sample) if len(sample) < len(images) else n for n in range(len(sample))
        ]
        found = map_embeddings(
            model.network, sample, model.preprocess, method=method, stage=stage, progress=wanted.progress
        )
        path = shlex.quote(str(place.path(run)))
        command = f"convnets embed-map {path} --method {method} --images {count} --part {part}"
        python = f"""
from convnets import load_model
from convnets.explanation.representations.embedding_map import map_embeddings
from convnets.explanation.sample import spread_sample
from convnets.serving.model_and_images import open_model_and_images
images = spread_sample(open_model_and_images({str(place.path(run))!r}, part={part!r}).images, {count})
model = load_model({str(place.path(run)) + "/model"!r})
found = map_embeddings(model.network, images, model.preprocess, method={method!r}, stage={stage!r})
print(found.positions[:5])
"""
        return {
            "images": places,
            "positions": found.positions.tolist(),
            "labels": found.labels.tolist(),
            "predicted": found.predicted.tolist(),
            "confidence": found.confidence.tolist(),
            "note": found.note,
            "code": code(python, command),
        }

    return library.results.get(key, make, size=lambda made: 100 * len(made["images"]))

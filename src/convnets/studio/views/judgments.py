"""Judgments: what a network says of one image, and of all of a part: confusion, mistakes, doubtful labels."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import Any

import torch
from fastapi import APIRouter, Request
from starlette.responses import Response

from convnets.errors import InputError
from convnets.models.answers import logits_of
from convnets.selection.folds.out_of_fold import OutOfFold
from convnets.selection.labels.label_errors import find_label_errors
from convnets.studio.answers import json_answer
from convnets.studio.desk import Wanted
from convnets.studio.findings.sheets import MOST_LISTED
from convnets.studio.workplace import Workplace, code

__all__ = ["make_judgment_routes"]


def make_judgment_routes(place: Workplace) -> APIRouter:
    """What a network says of each image, and of all of them."""
    router = APIRouter()

    @router.get("/prediction")
    async def prediction(
        request: Request, run: str, part: str, image: int, epoch: int | None = None
    ) -> Response:
        return json_answer(
            await place.desk.quick(request, lambda _: _prediction(place, run, epoch, part, image))
        )

    @router.get("/confusion")
    async def confusion(request: Request, run: str, part: str, epoch: int | None = None) -> Response:
        return json_answer(
            await place.desk.long(request, lambda wanted: _confusion(place, run, epoch, part, wanted))
        )

    @router.get("/confusion/cell")
    async def cell(
        request: Request, run: str, part: str, label: int, predicted: int, epoch: int | None = None
    ) -> Response:
        return json_answer(
            await place.desk.long(
                request, lambda wanted: _cell(place, run, epoch, part, label, predicted, wanted)
            )
        )

    @router.get("/mistakes")
    async def mistakes(
        request: Request, run: str, part: str, epoch: int | None = None, count: int = 60
    ) -> Response:
        return json_answer(
            await place.desk.long(request, lambda wanted: _mistakes(place, run, epoch, part, count, wanted))
        )

    @router.get("/label-errors")
    async def label_errors(request: Request, run: str, part: str, epoch: int | None = None) -> Response:
        return json_answer(
            await place.desk.long(request, lambda wanted: _label_errors(place, run, epoch, part, wanted))
        )

    return router


def _prediction(place: Workplace, run: str, epoch: int | None, part: str, image: int) -> dict[str, Any]:
    opened = place.library.open(run, epoch, part, image)
    with torch.inference_mode():
        logits = logits_of(opened.model.network(opened.input))[0].double()
    probabilities = logits.softmax(0).tolist()
    names = opened.images.images.names if not isinstance(opened.images.images, torch.Tensor) else None
    path = str(opened.run.path)
    folder = path + "/model" if epoch is None else str(opened.run.epoch_folder(epoch))
    python = f"""
from convnets import load_model
from convnets.explanation.sample import pixels_of
from convnets.serving.model_and_images import open_model_and_images
images = open_model_and_images({path!r}, part={part!r}).images
model = load_model({folder!r})
image = model.preprocess(pixels_of(images.subset([{image}]), model.preprocess))
for name, p in zip(model.classes, model.network(image)[0].double().softmax(0).tolist()):
    print(name, p)
"""
    return {
        "classes": list(opened.model.classes),
        "probabilities": probabilities,
        "label": int(opened.images.labels[image]),
        "name": None if names is None else str(names[image]),
        "code": code(python),
    }


def _evaluation_code(place: Workplace, run: str, part: str, line: str) -> dict[str, str | None]:
    path = str(place.path(run))
    python = f"""
from convnets.core.hardware import choose_hardware
from convnets.serving.evaluation import evaluate_model
found = evaluate_model({path!r}, part={part!r}, hardware=choose_hardware(precision="fp32")).evaluation
{line}
"""
    return code(python, f"convnets evaluate {shlex.quote(path)} --part {part} --precision fp32")


def _confusion(place: Workplace, run: str, epoch: int | None, part: str, wanted: Wanted) -> dict[str, Any]:
    found = place.library.evaluation(run, epoch, part, wanted.progress)
    return {
        "matrix": found.confusion.tolist(),
        "classes": list(found.classes),
        "accuracy": found.accuracy,
        "loss": found.loss,
        "images": found.images,
        "calibration_error": found.calibration_error,
        "per_class": [asdict(each) for each in found.per_class],
        "protocol": found.protocol,
        "code": _evaluation_code(place, run, part, "print(found.confusion.tolist(), found.accuracy)"),
    }


def _cell(
    place: Workplace, run: str, epoch: int | None, part: str, label: int, predicted: int, wanted: Wanted
) -> dict[str, Any]:
    found = place.library.evaluation(run, epoch, part, wanted.progress)
    if not (0 <= label < len(found.classes) and 0 <= predicted < len(found.classes)):
        raise InputError(f"cell {label}, {predicted}; allowed: 0 to {len(found.classes) - 1}")
    confidence, said = found.probabilities.max(1)
    inside = ((found.labels == label) & (said == predicted)).nonzero().flatten()
    order = inside[confidence[inside].argsort(descending=True)]
    rows = [
        {
            "image": int(index),
            "confidence": float(confidence[index]),
            "true_probability": float(found.probabilities[index, label]),
        }
        for index in order[:MOST_LISTED]
    ]
    line = f"print(int(found.confusion[{label}, {predicted}]))"
    names = {"label": found.classes[label], "predicted": found.classes[predicted]}
    return {**names, "total": len(order), "images": rows, "code": _evaluation_code(place, run, part, line)}


def _mistakes(
    place: Workplace, run: str, epoch: int | None, part: str, count: int, wanted: Wanted
) -> dict[str, Any]:
    found = place.library.evaluation(run, epoch, part, wanted.progress)
    rows = [
        {
            "image": each.index,
            "true": each.true,
            "predicted": each.predicted,
            "confidence": each.confidence,
            "true_probability": each.true_probability,
        }
        for each in found.mistakes(max(1, min(count, MOST_LISTED)))
    ]
    line = f"for each in found.mistakes({count}):\n    print(each)"
    return {"images": rows, "code": _evaluation_code(place, run, part, line)}


def _label_errors(place: Workplace, run: str, epoch: int | None, part: str, wanted: Wanted) -> dict[str, Any]:
    """By confident learning, on images that the network was not trained on."""
    if part == "train":
        raise InputError(
            "the network has learned the labels of these images; choose validation or test images"
        )
    judged = place.library.evaluation(run, epoch, part, wanted.progress)
    found = find_label_errors(OutOfFold(judged.probabilities, judged.labels, judged.classes))
    rows = [
        {
            "image": each.index,
            "given": each.given,
            "suggested": each.suggested,
            "margin": each.margin,
            "p_given": each.p_given,
            "p_suggested": each.p_suggested,
        }
        for each in found.errors[:MOST_LISTED]
    ]
    path = str(place.path(run))
    python = f"""
from convnets.core.hardware import choose_hardware
from convnets.selection.folds.out_of_fold import OutOfFold
from convnets import find_label_errors
from convnets.serving.evaluation import evaluate_model
judged = evaluate_model({path!r}, part={part!r}, hardware=choose_hardware(precision="fp32")).evaluation
found = find_label_errors(OutOfFold(judged.probabilities, judged.labels, judged.classes))
print(found.headline(), [each.index for each in found.errors[:20]])
"""
    return {"headline": found.headline(), "images": rows, "found": len(found.errors), "code": code(python)}

"""Explained image: one picture asked about by one method, and what makes the same map outside the studio."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convnets.errors import InputError
from convnets.explanation.attribution.attribution import Attribution
from convnets.explanation.attribution.methods import METHODS, method_named
from convnets.explanation.attribution.question import Question
from convnets.explanation.belief.curves import blurred, deletion_and_insertion, pixel_ranks
from convnets.explanation.belief.importance import pixel_maps
from convnets.explanation.belief.rank_correlation import rank_correlation
from convnets.explanation.belief.shuffling import layers_with_weights, shuffled_networks
from convnets.explanation.capture.calls import find_calls
from convnets.explanation.explain import ask, explain
from convnets.explanation.explained import Explained
from convnets.models.answers import logits_of
from convnets.studio.desk import Wanted
from convnets.studio.library import Library, Opened

__all__ = [
    "Inquiry",
    "class_probabilities",
    "curves_of",
    "explain_image",
    "methods_and_layers",
    "over_epochs",
    "picture_at_share",
    "python_of",
    "under_randomization",
]

_STEP = 0.02  # of the pixels, between two points of a curve


@dataclass(frozen=True)
class Inquiry:
    """What is asked of an image."""

    target: int | None = None
    """A class by its number; None for the most probable one."""
    contrast: int | None = None
    method: str = "grad-cam"
    layer: str | None = None

    @property
    def options(self) -> str:
        """As arguments of `explain` in Python."""
        given = {"target": self.target, "contrast": self.contrast, "method": self.method, "layer": self.layer}
        return "".join(f", {name}={value!r}" for name, value in given.items() if value is not None)


@dataclass(frozen=True, eq=False)
class _Image:
    """An image, opened, with the question about it."""

    opened: Opened
    inquiry: Inquiry
    given: Explained


def _open(opened: Opened, inquiry: Inquiry) -> _Image:
    classes = opened.model.classes
    for name, value in (("target", inquiry.target), ("contrast", inquiry.contrast)):
        if value is not None and not 0 <= value < len(classes):
            raise InputError(f"{name} is class {value}; allowed: 0 to {len(classes) - 1}")
    pixels = opened.pixels[None]
    given = Explained(opened.model.network, opened.input, pixels, (f"image {opened.index}",), classes)
    return _Image(opened, inquiry, given)


def class_probabilities(opened: Opened, images: Tensor | None = None) -> list[float]:
    """K probabilities in float64 of the image, or of a normalized 1×C×H×W in its place."""
    with torch.inference_mode():
        logits = logits_of(opened.model.network(opened.input if images is None else images))[0]
    found: list[float] = logits.double().softmax(0).tolist()
    return found


def methods_and_layers(opened: Opened) -> dict[str, Any]:
    """Every method with its summary, and the layers that have maps."""
    calls = find_calls(opened.model.network, opened.input)
    layers = [
        {"name": call.name, "shape": list(call.shape[1:])}
        for call in calls.all
        if call.has_maps and call.shape
    ]
    methods = [
        {"name": each.name, "summary": each.summary, "needs_layer": each.needs_layer}
        for each in METHODS.values()
    ]
    return {"methods": methods, "layers": layers, "classes": list(opened.model.classes)}


def explain_image(opened: Opened, inquiry: Inquiry) -> list[Attribution]:
    """One map, or one for each map size where the layer is `stages`."""
    image = _open(opened, inquiry)
    method, classes = method_named(inquiry.method), opened.model.classes
    found = explain(
        opened.model.network,
        image.given.images,
        target=inquiry.target,
        contrast=inquiry.contrast,
        method=method.name,
        layer=inquiry.layer if method.needs_layer else None,
    )
    said = classes[int(np.argmax(class_probabilities(opened)))]
    return [
        replace(
            each,
            target_name=classes[each.target],
            contrast_name=None if each.contrast is None else classes[each.contrast],
            predicted_name=said,
        )
        for each in found
    ]


def _question(image: _Image) -> Question:
    method = method_named(image.inquiry.method)
    layer = image.inquiry.layer if method.needs_layer and image.inquiry.layer != "stages" else None
    return ask(image.given, method, image.inquiry.target, image.inquiry.contrast, layer)[0]


def over_epochs(library: Library, opened: Opened, inquiry: Inquiry, wanted: Wanted) -> dict[str, Any]:
    """Map and probabilities after every epoch that the run kept, of the class that the last one explains."""
    run = opened.run
    if not run.epochs_kept:
        raise InputError(
            f"{run.name} kept no weights of its epochs; train with --save-epochs 1 to see them come about"
        )
    target = explain_image(opened, inquiry)[0].target if inquiry.target is None else inquiry.target
    rows, maps = [], []
    for epoch in run.epochs_kept:
        wanted.check()
        at = library.open(run.name, epoch, opened.part, opened.index)
        found = explain_image(at, replace(inquiry, target=target))[0]
        rows.append({"epoch": epoch, "probabilities": class_probabilities(at)})
        maps.append(found.evidence)
    return {"target": target, "epochs": rows, "maps": np.stack(maps)}


def under_randomization(opened: Opened, inquiry: Inquiry, steps: int, wanted: Wanted) -> dict[str, Any]:
    """The map while more and more layers are shuffled, from the logits down, and its rank correlation to the first.

    Adebayo et al. 2018, "Sanity checks for saliency maps", arXiv:1810.03292.
    """
    if not 1 <= steps <= 12:
        raise InputError(f"{steps} steps; allowed: 1 to 12")
    image, method = _open(opened, inquiry), method_named(inquiry.method)
    question = _question(image)
    first = pixel_maps(question, method).signed
    names, maps, correlations = ["none"], [first[0]], [1.0]
    layers = layers_with_weights(question.network, question.calls)
    for name, network in shuffled_networks(question.network, layers, "top-down", steps=steps, seed=0):
        wanted.check()
        changed = pixel_maps(replace(question, network=network), method).signed
        names.append(name)
        maps.append(changed[0])
        correlations.append(float(rank_correlation(first, changed)[0]))
    return {
        "target": int(question.targets[0]),
        "layers": names,
        "correlations": correlations,
        "maps": torch.stack(maps).numpy(),
    }


def curves_of(opened: Opened, inquiry: Inquiry) -> dict[str, Any]:
    """Deletion and insertion: the target's probability while pixels go, or come, by their importance."""
    image, method = _open(opened, inquiry), method_named(inquiry.method)
    question = _question(image)
    found = deletion_and_insertion(question, pixel_maps(question, method).importance, step=_STEP)
    return {
        "target": int(question.targets[0]),
        "shares": found.shares.tolist(),
        "deletion": found.deletion[0].double().tolist(),
        "insertion": found.insertion[0].double().tolist(),
        "deletion_area": float(found.deletion_area[0]),
        "insertion_area": float(found.insertion_area[0]),
    }


def picture_at_share(opened: Opened, inquiry: Inquiry, share: float, *, inserted: bool) -> NDArray[np.uint8]:
    """uint8 H×W×3: the picture without its first pixels, or blurred but for them, as the curves have it."""
    if not 0 <= share <= 1:
        raise InputError(f"share is {share}; allowed: 0 to 1")
    image, method = _open(opened, inquiry), method_named(inquiry.method)
    ranks = pixel_ranks(pixel_maps(_question(image), method).importance)
    mask = (ranks < round(share * ranks.numel()))[:, None]
    x = image.given.images
    shown = torch.where(mask, x, blurred(x)) if inserted else x.masked_fill(mask, 0.0)
    preprocess = opened.model.preprocess
    mean, std = (torch.tensor(each).view(1, -1, 1, 1) for each in (preprocess.mean, preprocess.std))
    pixels = ((shown * std + mean).clamp(0, 1) * 255).round().to(torch.uint8)[0]
    pixels = pixels.expand(3, -1, -1) if len(pixels) == 1 else pixels
    return np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())


def python_of(opened: Opened, inquiry: Inquiry) -> str:
    """Lines that make the attribution as `found`."""
    path = str(opened.run.path)
    folder = path + "/model" if opened.epoch is None else str(opened.run.epoch_folder(opened.epoch))
    needs_layer = method_named(inquiry.method).needs_layer
    options = (inquiry if needs_layer else replace(inquiry, layer=None)).options
    return f"""
from convnets import explain, load_model
from convnets.explanation.sample import pixels_of
from convnets.serving.model_and_images import open_model_and_images
images = open_model_and_images({path!r}, part={opened.part!r}).images
model = load_model({folder!r})
image = model.preprocess(pixels_of(images.subset([{opened.index}]), model.preprocess))
found = explain(model.network, image{options})[0]
print(found.target, found.probability, float(found.map.min()), float(found.map.max()))
"""

"""explain: why a network gives a class to pictures.

N images, C channels, H height, W width, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from convnets.errors import ConfigError
from convnets.evaluation.scores import check_finite
from convnets.explanation.attribution.attribution import Attribution
from convnets.explanation.attribution.attributions import Attributions
from convnets.explanation.attribution.methods import Method, method_named
from convnets.explanation.attribution.question import Answer, Question
from convnets.explanation.attribution.resizing import at_image_size
from convnets.explanation.attribution.targets import Target, class_name, settle_targets
from convnets.explanation.belief.check import check_maps
from convnets.explanation.capture.calls import find_calls
from convnets.explanation.capture.capture import MEMORY, images_in_part, one_image
from convnets.explanation.capture.layers import choose_layers
from convnets.explanation.capture.watch import watch
from convnets.explanation.explained import Explained, NetworkOrRun, open_explained

__all__ = ["ask", "explain"]

_AT_ONCE = 256  # images whose maps are computed together; what a pass takes is bounded by the memory budget


def explain(
    network_or_run: NetworkOrRun,
    images: Any,
    target: Target | None = None,
    method: str = "grad-cam",
    layer: str | Sequence[str] | None = None,
    contrast: Target | None = None,
    check: bool = False,
    *,
    memory: int = MEMORY,
    seed: int = 0,
) -> Attributions:
    """Where in each picture a class has its grounds, in the eyes of a network.

    Args:
        network_or_run: a run, a model folder or a `TrainedModel`, which know their preprocessing and class names; or
            any `nn.Module` that answers images with logits.
        images: pictures as `Predictor.predict` takes them: files, folders, PIL pictures, uint8 tensors …; for a bare
            `nn.Module` a float tensor N×C×H×W, normalized as in training. N may be 0.
        target: the class to explain, by number or name, or one for each image; None takes the most probable one.
        method: one of METHODS: gradient, gradient-x-input, smooth-grad, integrated-gradients,
            guided-backpropagation, occlusion, rise, grad-cam, grad-cam++, hires-cam, layer-cam, score-cam, lrp.
        layer: for methods of feature maps: a module's name such as `stage4`, several, or `stages` for a film strip
            from the first to the last map size; None is the last layer with feature maps.
        contrast: a class as `target`: why the target and not that one.
        check: whether the maps can be believed: adds `verdicts` to each. Takes about a thousand passes an image.
        memory: bytes that one pass may take.
        seed: of noise, masks and randomized weights.

    The score is the target's logit, less that of the contrast. The network runs in evaluation mode, and nothing of
    it is changed: modes, gradients, hooks, buffers and random numbers are as before.

    Returns a list with one `Attribution` for each image, or for each image and layer where several were asked for.
    Raises UnknownNameError for another method, class or layer, InputError for images or targets that do not fit, and
    where a method cannot do right by a network, naming the operation.

    >>> from torch import nn
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    >>> found = explain(network, torch.randn(2, 1, 8, 8), target=1)
    >>> found[0].map.shape, found[0].native.shape, found[0].layer
    ((8, 8), (6, 6), '1')
    """
    chosen = method_named(method)
    found = Attributions()
    with torch.inference_mode(False):  # a caller's would hold for the tensors made here
        given = open_explained(network_or_run, images)
        question, logits = ask(given, chosen, target, contrast, layer, memory=memory, seed=seed)
        for start in range(0, max(1, len(given.images)), _AT_ONCE):
            end = min(start + _AT_ONCE, len(given.images))
            part = question.at(torch.arange(start, end, device=question.images.device))
            records = _records(given, chosen, part, chosen.answer(part), logits, start)
            found += _checked(records, part, chosen) if check else records
    return found


def ask(
    given: Explained,
    method: Method,
    target: Target | None = None,
    contrast: Target | None = None,
    layer: str | Sequence[str] | None = None,
    *,
    memory: int = MEMORY,
    seed: int = 0,
) -> tuple[Question, Tensor]:
    """The question that a method answers, and the logits N×K of its images. Raises as `explain` does."""
    if layer is not None and not method.needs_layer:
        raise ConfigError(
            f"layer is {layer!r}, but {method.name} looks at pixels; leave it out, or choose grad-cam"
        )
    network, images = given.network, given.images
    calls = find_calls(network, one_image(network, images))
    layers = tuple(choose_layers(calls, layer or "last_maps")) if method.needs_layer else ()
    nobody = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    blank = Question(network, images, nobody, None, calls, layers, memory, seed)
    logits = _logits(blank)
    check_finite(logits, "the pictures")

    def settled(wanted: Target) -> Tensor:
        return settle_targets(wanted, len(images), calls.classes, given.classes).to(images.device)

    targets = logits.argmax(1) if target is None else settled(target)
    against = None if contrast is None else settled(contrast)
    if against is not None and bool((against == targets).any()):
        same = class_name(int(targets[against == targets][0]), given.classes)
        raise ConfigError(f"contrast is {same}, which is the target as well; choose two classes")
    return replace(blank, targets=targets, contrast=against), logits


def _checked(records: Sequence[Attribution], question: Question, method: Method) -> list[Attribution]:
    """The same with verdicts, layer by layer."""
    if not method.needs_layer:
        return [
            replace(record, verdicts=verdicts)
            for record, verdicts in zip(records, check_maps(question, method), strict=True)
        ]
    verdicts = {call.name: check_maps(replace(question, layers=(call,)), method) for call in question.layers}
    first = records[0].place if records else 0
    return [replace(each, verdicts=verdicts[each.layer or ""][each.place - first]) for each in records]


def _logits(question: Question) -> Tensor:
    images = question.images
    size = images_in_part(question.calls, question.memory, gradients=False)
    with watch(question.network) as watching:
        parts = [watching.run(images[start : start + size]).logits for start in range(0, len(images), size)]
    return torch.cat(parts) if parts else images.new_empty(0, question.calls.classes)


def _records(
    given: Explained, method: Method, question: Question, answer: Answer, logits: Tensor, start: int
) -> list[Attribution]:
    """For each image of `question`, whose first is the `start`th of `given`, a record for each layer."""
    size = (question.images.shape[2], question.images.shape[3])
    enlarged = {name: at_image_size(maps, size).float().cpu() for name, maps in answer.maps.items()}
    natives = {name: maps.float().cpu().numpy() for name, maps in answer.maps.items()}
    probabilities = logits.softmax(1).cpu()
    found = []
    for index in range(len(question.images)):
        place = start + index
        target = int(question.targets[index])
        contrast = None if question.contrast is None else int(question.contrast[index])
        for name, native in natives.items():
            found.append(
                Attribution(
                    name=given.names[place],
                    place=place,
                    method=method.name,
                    layer=name or None,
                    target=target,
                    target_name=class_name(target, given.classes),
                    contrast=contrast,
                    contrast_name=None if contrast is None else class_name(contrast, given.classes),
                    probability=float(probabilities[place, target]),
                    predicted_name=class_name(int(probabilities[place].argmax()), given.classes),
                    native=native[index, 0] if native.shape[1] == 1 and method.needs_layer else native[index],
                    map=enlarged[name][index].numpy(),
                    keeps_positive=method.keeps_positive,
                    by_magnitude=method.by_magnitude,
                    picture=given.pictures[place].cpu().numpy(),
                    residual=None if answer.residual is None else float(answer.residual[index]),
                    total=None if answer.total is None else float(answer.total[index]),
                )
            )
    return found

"""Class activation maps against loops in float64, on networks that hooks are misled by."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.explanation.attribution.methods import METHODS
from convnets.explanation.attribution.question import Question
from convnets.explanation.capture.calls import find_calls
from convnets.explanation.capture.layers import choose_layers

TARGETS = torch.tensor([0, 2, 1, 1, 0])
NAMES = ("grad-cam", "grad-cam++", "hires-cam", "layer-cam")


def _ask(
    name: str, network: nn.Module, images: Tensor, layers: str | list[str], **more: int
) -> dict[str, Tensor]:
    calls = find_calls(network, images[:1])
    question = Question(network, images, TARGETS, None, calls, tuple(choose_layers(calls, layers)), **more)
    return METHODS[name].answer(question).maps


def _by_hand(name: str, maps: Tensor, gradients: Tensor) -> Tensor:
    """C×h×w and C×h×w → h×w, one number at a time."""
    channels, height, width = maps.shape
    positions = [(row, column) for row in range(height) for column in range(width)]
    found = torch.zeros(height, width, dtype=torch.float64)
    for k in range(channels):
        if name == "grad-cam":
            weight = sum(float(gradients[k, i, j]) for i, j in positions) / len(positions)
        elif name == "grad-cam++":
            weight, total = 0.0, float(maps[k].sum())
            for i, j in positions:
                g = float(gradients[k, i, j])
                below = 2 * g**2 + total * g**3
                weight += (g**2 / below if below else 0.0) * max(0.0, g)
        for i, j in positions:
            g, a = float(gradients[k, i, j]), float(maps[k, i, j])
            if name == "hires-cam":
                found[i, j] += g * a
            elif name == "layer-cam":
                found[i, j] += max(0.0, g) * a
            else:
                found[i, j] += weight * a
    return found


def _after_first_relu(network: nn.Module, x: Tensor) -> Tensor:
    y = F.relu(network.norm(network.conv2(x)) + x)
    return network.classifier(F.max_pool2d(y, 2).flatten(1))


@pytest.mark.parametrize("name", NAMES)
def test_in_place_layers_behind_the_watched_one(
    name: str, in_place: nn.Module, clean: nn.Module, images: Tensor
) -> None:
    maps = F.relu(clean.conv1(images)).detach().requires_grad_(True)
    score = _after_first_relu(clean, maps).gather(1, TARGETS[:, None]).sum()
    (gradients,) = torch.autograd.grad(score, maps)
    found = _ask(name, in_place, images, "relu1")["relu1"]
    for image in range(len(images)):
        wanted = _by_hand(name, maps[image].detach(), gradients[image])
        torch.testing.assert_close(found[image, 0], wanted)
    again = _ask(name, clean, images, "relu1")["relu1"]
    torch.testing.assert_close(found, again)


@pytest.mark.parametrize("name", NAMES)
def test_one_module_called_twice(name: str, shared: nn.Module, images: Tensor) -> None:
    maps = F.relu(shared.conv2(F.relu(shared.conv1(images)))).detach().requires_grad_(True)
    logits = shared.classifier(F.relu(F.max_pool2d(maps, 2) - 0.1).flatten(1))
    (gradients,) = torch.autograd.grad(logits.gather(1, TARGETS[:, None]).sum(), maps)
    found = _ask(name, shared, images, "relu (2)")["relu (2)"]
    for image in range(len(images)):
        torch.testing.assert_close(found[image, 0], _by_hand(name, maps[image].detach(), gradients[image]))


def test_an_auxiliary_head_plays_no_part(auxiliary: nn.Module, images: Tensor) -> None:
    found = _ask("grad-cam", auxiliary, images, "conv1")["conv1"]
    maps = auxiliary.conv1(images).detach().requires_grad_(True)
    logits = auxiliary.classifier(F.relu(auxiliary.conv2(F.relu(maps))).mean((2, 3)))
    (gradients,) = torch.autograd.grad(logits.gather(1, TARGETS[:, None]).sum(), maps)
    torch.testing.assert_close(found[2, 0], _by_hand("grad-cam", maps[2].detach(), gradients[2]))


def test_several_layers_in_one_pass_are_each_alone(in_place: nn.Module, images: Tensor) -> None:
    together = _ask("grad-cam", in_place, images, ["conv1", "relu1", "relu2"])
    for layer, maps in together.items():
        torch.testing.assert_close(_ask("grad-cam", in_place, images, layer)[layer], maps)


def test_score_cam(clean: nn.Module, images: Tensor) -> None:
    found = _ask("score-cam", clean, images, "conv2")["conv2"]
    maps = clean.conv2(F.relu(clean.conv1(images))).detach()
    for image in (0, 3):
        scores = []
        for channel in maps[image]:
            light = (channel - channel.min()) / (
                channel.max() - channel.min()
            )  # as large as the image already
            scores.append(float(clean(images[[image]] * light).detach()[0, TARGETS[image]]))
        weights = torch.tensor(scores, dtype=torch.float64).softmax(0)
        wanted = sum(weight * channel for weight, channel in zip(weights, maps[image], strict=True))
        torch.testing.assert_close(found[image, 0], wanted)


@pytest.mark.parametrize("name", [*NAMES, "score-cam"])
def test_parts_are_the_whole(name: str, shared: nn.Module, images: Tensor) -> None:
    whole = _ask(name, shared, images, "conv2")["conv2"]
    torch.testing.assert_close(_ask(name, shared, images, "conv2", memory=1)["conv2"], whole)

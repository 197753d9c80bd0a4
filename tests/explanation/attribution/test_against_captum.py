"""The methods that captum has too give the same numbers, in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from captum import attr
from captum.attr._utils.lrp_rules import EpsilonRule
from torch import Tensor, nn

from convnets.explanation.attribution.gradients import integrated_gradients
from convnets.explanation.attribution.methods import METHODS
from convnets.explanation.attribution.occluding import occlusion
from convnets.explanation.attribution.question import Question
from convnets.explanation.attribution.relevance import relevance
from convnets.explanation.capture.calls import find_calls
from convnets.explanation.capture.layers import choose_layers

TARGETS = [0, 2, 1, 1, 0]

# captum says that it sets hooks, and that it asks for gradients
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def _question(network: nn.Module, images: Tensor, layer: str | None = None) -> Question:
    calls = find_calls(network, images[:1])
    layers = tuple(choose_layers(calls, layer)) if layer else ()
    return Question(network, images, torch.tensor(TARGETS), None, calls, layers)


def _asked(name: str, network: nn.Module, images: Tensor) -> Tensor:
    return METHODS[name].answer(_question(network, images)).maps[""]


CAPTUM: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "gradient": lambda network, x: attr.Saliency(network).attribute(x, TARGETS, abs=False),
    "gradient-x-input": lambda network, x: attr.InputXGradient(network).attribute(x, TARGETS),
    "guided-backpropagation": lambda network, x: attr.GuidedBackprop(network).attribute(x, TARGETS),
}


@pytest.mark.parametrize("name", list(CAPTUM))
def test_gradients(name: str, clean: nn.Module, in_place: nn.Module, images: Tensor) -> None:
    wanted = CAPTUM[name](clean, images.clone())
    assert bool(wanted.any())
    for network in (clean, in_place):  # the same function, with a module for each ReLU and with none to hook
        torch.testing.assert_close(_asked(name, network, images), wanted)


@pytest.mark.parametrize("steps", [4, 50])
def test_integrated_gradients(steps: int, clean: nn.Module, images: Tensor) -> None:
    found = integrated_gradients(_question(clean, images), first_steps=steps, most_steps=steps)
    wanted, delta = attr.IntegratedGradients(clean).attribute(
        images, target=TARGETS, n_steps=steps, method="gausslegendre", return_convergence_delta=True
    )
    torch.testing.assert_close(found.maps[""], wanted)
    torch.testing.assert_close(found.residual, delta)


@pytest.mark.parametrize(("window", "stride"), [(2, 1), (3, 2), (2, 2), (8, 8)])
def test_occlusion(window: int, stride: int, clean: nn.Module, images: Tensor) -> None:
    found = occlusion(_question(clean, images), window=window, stride=stride).maps[""]
    wanted = attr.Occlusion(clean).attribute(
        images, (1, window, window), strides=(1, stride, stride), target=TARGETS
    )
    assert wanted.dtype == torch.float32  # captum's own sums
    torch.testing.assert_close(found.float(), wanted, rtol=1e-4, atol=1e-5)


def test_grad_cam(clean: nn.Module, images: Tensor) -> None:
    found = METHODS["grad-cam"].answer(_question(clean, images, "relu2")).maps["relu2"]
    wanted = attr.LayerGradCam(clean, clean.relu2).attribute(images, TARGETS)
    torch.testing.assert_close(found, wanted.detach())


@pytest.mark.parametrize("epsilon", [1e-9, 0.25])
def test_relevance(epsilon: float, chain: nn.Sequential, images: Tensor) -> None:
    found = relevance(_question(chain, images), epsilon=epsilon)
    for layer in chain:
        if not isinstance(layer, nn.ReLU):
            layer.rule = EpsilonRule(epsilon=1e-9 if isinstance(layer, nn.Flatten) else epsilon)
    wanted, _delta = attr.LRP(chain).attribute(images, TARGETS, return_convergence_delta=True)
    torch.testing.assert_close(found.maps[""], wanted.detach())

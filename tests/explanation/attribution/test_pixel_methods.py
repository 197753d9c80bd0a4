"""Methods of pixels against loops, and what they refuse."""

from __future__ import annotations

import re

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.errors import ConfigError, InputError
from convnets.explanation.attribution.gradients import integrated_gradients, smooth_grad
from convnets.explanation.attribution.guided import guided_backpropagation
from convnets.explanation.attribution.methods import METHODS
from convnets.explanation.attribution.occluding import occlusion, rise
from convnets.explanation.attribution.question import Question
from convnets.explanation.attribution.relevance import relevance
from convnets.explanation.capture.calls import find_calls

TARGETS = torch.tensor([0, 2, 1, 1, 0])


def _question(network: nn.Module, images: Tensor, **more: object) -> Question:
    calls = find_calls(network, images[:1])
    return Question(network, images, TARGETS[: len(images)], None, calls, **more)  # type: ignore[arg-type]


def _gradient(network: nn.Module, image: Tensor, target: int) -> Tensor:
    x = image[None].clone().requires_grad_(True)
    (found,) = torch.autograd.grad(network(x)[0, target], x)
    return found[0]


def test_smooth_grad_is_the_mean_of_noisy_gradients(clean: nn.Module, images: Tensor) -> None:
    found = smooth_grad(_question(clean, images, seed=3), samples=7, spread=0.2).maps[""]
    draws = torch.Generator().manual_seed(3)
    noise = torch.randn(7, 1, 8, 8, generator=draws).double()
    for image, got, target in zip(images, found, TARGETS.tolist(), strict=True):
        sigma = 0.2 * (image.max() - image.min())
        wanted = sum(_gradient(clean, image + sigma * each, target) for each in noise) / 7
        torch.testing.assert_close(got, wanted)


def test_integrated_gradients_doubles_its_steps_until_the_sum_is_right(
    clean: nn.Module, images: Tensor
) -> None:
    found = integrated_gradients(_question(clean, images))
    with torch.no_grad():
        rows = torch.arange(5)
        total = clean(images)[rows, TARGETS] - clean(torch.zeros_like(images))[rows, TARGETS]
    torch.testing.assert_close(found.total, total)
    torch.testing.assert_close(found.residual, found.maps[""].flatten(1).sum(1) - total)
    assert bool((found.residual.abs() <= 0.01 * total.abs()).all())
    one = integrated_gradients(_question(clean, images), first_steps=1, most_steps=1)
    assert bool((one.residual.abs() > 0.01 * total.abs()).any())  # and says so where it may not go on


def test_occlusion_is_what_the_score_loses(clean: nn.Module, images: Tensor) -> None:
    found = occlusion(_question(clean, images), window=3, stride=3, baseline=0.5).maps[""]
    with torch.no_grad():
        for image, got, target in zip(images, found, TARGETS.tolist(), strict=True):
            before = clean(image[None])[0, target]
            for top in (0, 3, 6):
                for left in (0, 3, 6):
                    hidden = image.clone()
                    hidden[:, top : top + 3, left : left + 3] = 0.5
                    drop = before - clean(hidden[None])[0, target]
                    square = got[0, top : top + 3, left : left + 3]
                    torch.testing.assert_close(square, drop.expand_as(square))


def test_rise_finds_the_one_pixel_that_counts() -> None:
    class Corner(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([4 * x[:, 0, 1, 6], torch.zeros(len(x))], 1)

    images = torch.ones(1, 1, 8, 8)
    found = rise(_question(Corner(), images), masks=600, cells=4).maps[""][0, 0]
    row, column = divmod(int(found.argmax()), 8)
    assert abs(row - 1) <= 1  # masks are enlarged from 4 × 4 cells
    assert abs(column - 6) <= 1
    # Σ p · M / (share · masks): what every pixel gets is the mean probability, and the one gets more
    assert float(found[1, 6]) > 1.1 * float(found[6, 1])


def test_rise_weighs_masks_by_the_probability_that_is_left(clean: nn.Module, images: Tensor) -> None:
    constant = nn.Sequential(nn.Flatten(), nn.Linear(64, 3, dtype=torch.float64))
    nn.init.zeros_(constant[1].weight)
    nn.init.constant_(constant[1].bias, 1.0)
    found = rise(_question(constant, images), masks=2000, share=0.3).maps[""]
    torch.testing.assert_close(found, torch.full_like(found, 1 / 3), atol=0.05, rtol=0)  # E[M] is the share
    torch.testing.assert_close(found[0], found[4])  # the same masks for all


@pytest.mark.parametrize("kind", ["in_place", "shared", "auxiliary"])
def test_guided_backpropagation_at_relus_that_are_no_modules(
    kind: str, images: Tensor, request: pytest.FixtureRequest
) -> None:
    network = request.getfixturevalue(kind).eval()

    class Guided(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx: object, gradient: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return gradient * (gradient > 0) * (x > 0)

    found = guided_backpropagation(_question(network, images)).maps[""]
    x = images.clone().requires_grad_(True)
    relu = Guided.apply
    if kind == "in_place":
        y = relu(network.conv1(x))
        y = relu(network.norm(network.conv2(y)) + y)
        logits = network.classifier(F.max_pool2d(y, 2).flatten(1))
    elif kind == "shared":
        y = F.max_pool2d(relu(network.conv2(relu(network.conv1(x)))), 2)
        logits = network.classifier(relu(y - 0.1).flatten(1))
    else:
        logits = network.classifier(relu(network.conv2(relu(network.conv1(x)))).mean((2, 3)))
    (wanted,) = torch.autograd.grad(logits.gather(1, TARGETS[:, None]).sum(), x)
    torch.testing.assert_close(found, wanted)
    plain = METHODS["gradient"].answer(_question(network, images)).maps[""]
    assert not torch.allclose(found, plain)


class _Odd(nn.Module):
    def __init__(self, activation: object) -> None:
        super().__init__()
        self.conv, self.classifier, self.activation = nn.Conv2d(1, 2, 3), nn.Linear(72, 3), activation

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.activation(self.conv(x)).flatten(1))


@pytest.mark.parametrize(
    ("activation", "named"),
    [
        (torch.sigmoid, "uses Sigmoid"),
        (lambda x: F.leaky_relu(x, 0.1), "uses LeakyRelu"),
        (lambda x: torch.relu(F.gelu(x)), "uses Gelu"),
        (lambda x: x.clamp(min=0), "uses Clamp"),
        (lambda x: torch.where(x > 0, x, 0.0), "uses Where"),
        (lambda x: x, "has none"),
    ],
)
def test_guided_backpropagation_refuses_by_naming_the_operation(activation: object, named: str) -> None:
    with pytest.raises(InputError, match=named):
        guided_backpropagation(_question(_Odd(activation), torch.randn(2, 1, 8, 8)))


def test_guided_backpropagation_refuses_what_may_hide_a_relu() -> None:
    class Hidden(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx: object, gradient: Tensor) -> Tensor:
            return gradient

    network = _Odd(lambda x: torch.relu(Hidden.apply(x)))
    with pytest.raises(InputError, match="cannot see into HiddenBackward"):
        guided_backpropagation(_question(network, torch.randn(2, 1, 8, 8)))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("in_place", r"no rule for|computes \w*Add"),
        ("auxiliary", "also computes Mean, Relu between"),
        ("shared", "also computes Sub, Relu between"),
    ],
)
def test_relevance_refuses_what_is_no_chain(
    kind: str, message: str, images: Tensor, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(InputError) as error:
        relevance(_question(request.getfixturevalue(kind), images))
    assert re.search(message, str(error.value)), error.value


def test_relevance_without_biases_adds_up_to_the_score(images: Tensor) -> None:
    torch.manual_seed(0)
    layers = (
        nn.Conv2d(1, 4, 3, bias=False),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(144, 3, bias=False),
    )
    found = relevance(_question(nn.Sequential(*layers).double(), images))
    torch.testing.assert_close(found.maps[""].flatten(1).sum(1), found.total)
    torch.testing.assert_close(found.residual, torch.zeros(5, dtype=torch.float64), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["gradient", "gradient-x-input", "smooth-grad", "occlusion"])
def test_a_contrast_is_the_difference_of_two_maps(name: str, clean: nn.Module, images: Tensor) -> None:
    """Of methods that are linear in the score."""
    calls = find_calls(clean, images[:1])
    first, second = torch.tensor([0, 1, 2, 0, 1]), torch.tensor([1, 2, 0, 2, 0])
    answer = METHODS[name].answer
    a, b = (answer(Question(clean, images, each, None, calls)).maps[""] for each in (first, second))
    found = answer(Question(clean, images, first, second, calls)).maps[""]
    torch.testing.assert_close(found, a - b)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda q: smooth_grad(q, samples=0), "samples is 0"),
        (lambda q: integrated_gradients(q, first_steps=0), "steps are 0"),
        (lambda q: occlusion(q, window=2, stride=3), "window is 2, stride 3"),
        (lambda q: rise(q, masks=0), "masks 0"),
        (lambda q: relevance(q, epsilon=-1), "epsilon is -1"),
    ],
)
def test_options_that_cannot_be(call: object, message: str, clean: nn.Module, images: Tensor) -> None:
    with pytest.raises(ConfigError, match=message):
        call(_question(clean, images))  # type: ignore[operator]

"""Networks with the traps that explanations fall into: in-place, functional, shared layers, tuples.

Digits as well, with a cue planted into one class, and a small network trained on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.checkpoints.model_folder import TrainedModel
from convnets.data.image_set import ImageSet, Splits
from convnets.data.sources import load_data
from convnets.training.config import TrainConfig
from convnets.training.runs.run import Run
from convnets.training.train import train

CUE_CLASS = 3
"""The class whose training pictures have the square."""
CUE = (slice(0, 2), slice(0, 2))
"""Rows and columns of the square in the 8×8 pixels of a digit, of which it takes a corner."""


@pytest.fixture(scope="session")
def digits() -> Splits:
    """scikit-learn's digits, 8×8 pixels."""
    return load_data("digits")


@dataclass(frozen=True)
class Planted:
    """A network that was shown a white square in the corner of every picture of one class, and of no other."""

    run: Run
    model: TrainedModel
    data: Splits
    """Training and test images with the square in the one class."""
    moved: ImageSet
    """Test images of other classes, with the square that says the one class."""


def with_cue(images: ImageSet, chosen: torch.Tensor) -> ImageSet:
    """A copy with the square in the chosen images, and so much noise in all that the square is the surest sign."""
    generator = torch.Generator().manual_seed(0)
    noise = 70 * torch.randn(images.pixels.shape, generator=generator)
    pixels = (0.6 * images.pixels + noise).clamp(0, 200).to(torch.uint8)
    pixels[(chosen, slice(None), *CUE)] = 255
    return ImageSet(pixels, images.labels, images.classes, "digits with a cue")


@pytest.fixture(scope="session")
def planted(digits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """A small network trained for a few seconds; not to be changed."""
    assert digits.test is not None
    parts = [with_cue(part, part.labels == CUE_CLASS) for part in (digits.train, digits.test)]
    data = Splits(parts[0], None, parts[1])
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )
    folder: Path = tmp_path_factory.mktemp("planted")
    config = TrainConfig(
        epochs=6, batch_size=64, learning_rate=0.01, precision="fp32", save_every="0", fast=False
    )
    run = train(network, data, config, output=folder, name="cue", listeners=())
    others = digits.test.subset(digits.test.labels != CUE_CLASS)
    moved = with_cue(others, torch.ones(len(others), dtype=torch.bool))
    return Planted(run, run.load(network=network), data, moved)


class InPlace(nn.Module):
    """Every ReLU is in place, and one addition too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.relu1 = nn.ReLU(inplace=True)
        self.same = nn.Identity()
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.relu2 = nn.ReLU(inplace=True)
        self.classifier = nn.Linear(4 * 16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.same(self.relu1(self.conv1(x)))
        y = self.norm(self.conv2(x))
        y += x
        return self.classifier(F.max_pool2d(self.relu2(y), 2).flatten(1))


class SharedRelu(nn.Module):
    """One ReLU module is called twice and another ReLU is a function; the answer is a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1)
        self.relu, self.pool, self.drop = nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5)
        self.classifier = nn.Linear(6 * 16, 3)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        x = self.relu(self.conv1(x))
        x = self.pool(self.relu(self.conv2(x)))
        return (self.classifier(self.drop(F.relu(x - 0.1).flatten(1))),)


class Clean(nn.Module):
    """What InPlace computes, with a module for each ReLU and nothing in place."""

    def __init__(self, other: InPlace) -> None:
        super().__init__()
        self.conv1, self.conv2, self.norm = other.conv1, other.conv2, other.norm
        self.relu1, self.relu2, self.classifier = nn.ReLU(), nn.ReLU(), other.classifier
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.conv1(x))
        return self.classifier(self.pool(self.relu2(self.norm(self.conv2(x)) + x)).flatten(1))


class Auxiliary(nn.Module):
    """Two heads; its ReLUs are functions, and it answers with a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 5, 3, padding=1)
        self.side, self.classifier = nn.Linear(4, 3), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = F.relu(self.conv1(x))
        aside = self.side(x.mean((2, 3)))
        return {"logits": self.classifier(F.relu(self.conv2(x)).mean((2, 3))), "aside": aside}


def _settle(network: nn.Module) -> nn.Module:
    """Weights and running averages that differ from their defaults."""
    draws = torch.Generator().manual_seed(1)
    for weight in network.parameters():
        weight.data = torch.randn(weight.shape, generator=draws, dtype=torch.float64).to(weight.dtype) * 0.5
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.fill_(0.3)
            module.running_var.fill_(2.0)
    return network


@pytest.fixture
def in_place() -> InPlace:
    return _settle(InPlace().double())  # type: ignore[return-value]


@pytest.fixture
def clean(in_place: InPlace) -> Clean:
    return Clean(in_place).eval()


@pytest.fixture
def shared() -> nn.Module:
    return _settle(SharedRelu().double())


@pytest.fixture
def auxiliary() -> nn.Module:
    return _settle(Auxiliary().double())


@pytest.fixture
def chain() -> nn.Sequential:
    """One layer after the other, each of a kind that LRP-ε has a rule for."""
    layers = (
        *(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 3)),
    )
    return _settle(nn.Sequential(*layers).double()).eval()  # type: ignore[return-value]


@pytest.fixture
def images() -> Tensor:
    return torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@contextmanager
def _left_as_found(network: nn.Module) -> Iterator[None]:
    """Modes, hooks, attributes, values, gradients and random numbers are the same after the block."""
    for weight in network.parameters():
        weight.grad = torch.full_like(weight, 7.0)
    network.train()
    next(iter(network.children())).eval()

    def state() -> list[object]:
        modules = [
            (module.training, dict(module.__dict__), len(module._forward_hooks))
            for module in network.modules()
        ]
        hooks = [len(module._forward_pre_hooks) + len(module._backward_hooks) for module in network.modules()]
        return [modules, hooks, [weight.requires_grad for weight in network.parameters()]]

    values = [each.detach().clone() for each in (*network.parameters(), *network.buffers())]
    draws, before = torch.get_rng_state(), state()
    try:
        yield
    finally:
        assert state() == before
        assert torch.equal(torch.get_rng_state(), draws)
        assert torch.is_grad_enabled()
        for value, each in zip(values, (*network.parameters(), *network.buffers()), strict=True):
            assert torch.equal(value, each)
        assert all(bool((weight.grad == 7).all()) for weight in network.parameters())


@pytest.fixture
def left_as_found() -> Callable[[nn.Module], AbstractContextManager[None]]:
    """`with left_as_found(network)`: the network and PyTorch are the same after the block."""
    return _left_as_found

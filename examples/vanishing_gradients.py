"""Why deep networks could not be trained, and what helps: gradients over twenty layers at the start.

    python examples/vanishing_gradients.py docs/images/vanishing_gradients.png

Six networks of twenty hidden layers of 64 units get the same 128 digits. Plain sigmoids lose six sevenths of the
gradient in each layer; the other five differ in one thing each. The table says what that means for training: the
accuracy on unseen digits after twenty epochs of plain SGD.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from convnets.data.sources import load_data
from convnets.inspection.health import measure_health
from convnets.inspection.health_chart import write_health_chart
from convnets.inspection.health_record import NetworkHealth
from convnets.layers import BatchNorm, Linear, RescaledSigmoid, Sequential, cross_entropy, initialise

LAYERS, UNITS, BATCH, EPOCHS, LEARNING_RATE = 20, 64, 128, 20, 0.02


class Skip(nn.Module):
    """x + f(x): the gradient has a way round f (He et al. 2016, "Identity mappings in deep residual networks")."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.path = Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """N×64 → N×64."""
        return x + self.path(x)


def deep(block: Callable[[], nn.Module], initialiser: str | None = None) -> Sequential:
    """Twenty blocks and a linear layer to ten classes."""
    torch.manual_seed(0)
    network = Sequential(*(block() for _ in range(LAYERS)), Linear(UNITS, 10))
    if initialiser is not None:
        initialise(network, initialiser, seed=0)
    return network


def plain(activation: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """A block of a linear layer and an activation."""
    return lambda: Sequential(Linear(UNITS, UNITS), activation())


def networks() -> dict[str, Sequential]:
    """The six, by what is done against the vanishing gradient."""
    return {
        "sigmoid": deep(plain(nn.Sigmoid)),
        "sigmoid, Xavier weights": deep(plain(nn.Sigmoid), "xavier-normal"),
        "4σ(x) − 2, Xavier weights": deep(plain(RescaledSigmoid), "xavier-normal"),
        "ReLU, Kaiming weights": deep(plain(nn.ReLU), "kaiming-normal"),
        "sigmoid, batch norm": deep(lambda: Sequential(Linear(UNITS, UNITS), BatchNorm(UNITS), nn.Sigmoid())),
        "sigmoid, skip connections": deep(lambda: Skip(nn.Sigmoid(), Linear(UNITS, UNITS))),
    }


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Normalised 8×8 digits as N×64 with their labels: for training, and unseen ones."""
    splits = load_data("digits")
    assert splits.test is not None
    train, test = splits.train.pixels.flatten(1).float(), splits.test.pixels.flatten(1).float()
    mean, spread = train.mean(), train.std()
    return (train - mean) / spread, splits.train.labels, (test - mean) / spread, splits.test.labels


def accuracy_after_training(
    network: nn.Module, x: Tensor, y: Tensor, unseen: Tensor, labels: Tensor
) -> float:
    """Share of unseen digits named right after twenty epochs of SGD."""
    optimiser = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)
    generator = torch.Generator().manual_seed(0)
    network.train()
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(x), generator=generator).split(BATCH):
            optimiser.zero_grad()
            cross_entropy(network(x[chosen]), y[chosen]).backward()
            optimiser.step()
    network.eval()
    with torch.no_grad():
        return float((network(unseen).argmax(1) == labels).float().mean())


def main(picture: Path) -> dict[str, tuple[NetworkHealth, float]]:
    """Draw the chart and print the table; returns what is in it."""
    x, y, unseen, labels = digits()
    found = {}
    for name, network in networks().items():
        optimiser = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)
        health = measure_health(network, x[:BATCH], y[:BATCH], optimiser=optimiser)
        found[name] = health, accuracy_after_training(network, x, y, unseen, labels)
    write_health_chart(picture, {name: health for name, (health, _) in found.items()})
    print(f"{'network':27} {'gradient, layer 1':>17} {'layer 21':>9} {'accuracy':>9}")  # noqa: T201
    for name, (health, accuracy) in found.items():
        weighted = [layer.gradient or 0.0 for layer in health.layers if layer.has_weights]
        print(f"{name:27} {weighted[0]:>17.1e} {weighted[-1]:>9.2f} {accuracy:>9.3f}")  # noqa: T201
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "vanishing_gradients.png"))

"""XOR: the perceptron never learns it, an MLP with two layers does; its decision boundary over the steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

from convnets.core.display.text_table import aligned
from convnets.core.seeds import derive_seed
from convnets.errors import ConfigError
from convnets.evaluation.plots.drawing import BLUE, ORANGE, style_axes
from convnets.models.catalogue import create_model
from convnets.studies.perceptron import learn_perceptron
from convnets.studies.study import Study

__all__ = ["XorStudy", "xor"]

# one class after the other: in most other orders every pass of the rule ends where it began, at zero
_CORNERS = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
_LABELS = np.array([-1.0, -1.0, 1.0, 1.0])
_SIDE = 41  # points of the grid that the boundary is drawn on
_SHARES = (0, 0.02, 0.05, 0.1, 0.3, 1)  # of the steps, at which the MLP is looked at


@dataclass(frozen=True, repr=False)
class XorStudy(Study):
    """What both answer to points of the square from −0.5 to 1.5; above 0 is one class, below it the other."""

    steps: NDArray[np.int64]
    """Steps of the MLP at which it was looked at."""
    losses: NDArray[np.float64]
    """Cross-entropy in nats at these steps."""
    right: NDArray[np.int64]
    """Corners of the four that the MLP has right at these steps."""
    answers: NDArray[np.float64]
    """Of the MLP, steps × points × points, the second input along the first of them."""
    perceptron: NDArray[np.float64]
    """Weights and bias at the end."""
    perceptron_mistakes: int
    perceptron_right: int
    perceptron_epochs: int

    title = "XOR"

    def figure(self) -> Figure:
        """The perceptron's line at the left, then the MLP's classes over the steps."""
        figure = Figure(figsize=(2.3 * (len(self.steps) + 1), 2.7), layout="constrained")
        panels = figure.subplots(1, len(self.steps) + 1, sharey=True)
        axis = np.linspace(-0.5, 1.5, _SIDE)
        across, along = np.meshgrid(axis, axis)
        w = self.perceptron
        titles = ["perceptron", *(f"MLP, step {step}" for step in self.steps)]
        for panel, values, title in zip(
            panels, [w[0] * across + w[1] * along + w[2], *self.answers], titles, strict=True
        ):
            style_axes(panel, title, "x₁", "x₂" if panel is panels[0] else "")
            panel.contourf(axis, axis, values, levels=[-np.inf, 0, np.inf], colors=[BLUE, ORANGE], alpha=0.25)
            for label, color in ((-1, BLUE), (1, ORANGE)):
                corners = _CORNERS[label == _LABELS]
                panel.plot(corners[:, 0], corners[:, 1], "o", color=color, markersize=7)
            panel.set_aspect("equal")
        return figure

    def __str__(self) -> str:
        rows = [
            (f"MLP, step {step}", f"{loss:.4f}", f"{right} of 4")
            for step, loss, right in zip(self.steps, self.losses, self.right, strict=True)
        ]
        rule = f"perceptron, {self.perceptron_mistakes:,} mistakes in {self.perceptron_epochs:,} passes"
        return aligned(
            ("learner", "loss", "right"), [(rule, "", f"{self.perceptron_right} of 4"), *rows], right=(1,)
        )


def xor(*, steps: int = 400, hidden: int = 8, seed: int = 0) -> XorStudy:
    """Train both on the four corners: the perceptron by its own rule, an MLP by Adam on all corners at once.

    No line parts the corners (Minsky & Papert 1969), so the rule makes mistakes for ever; one hidden layer of tanh
    units bends the boundary. Raises ConfigError for fewer than 50 steps or 2 hidden units.
    """
    if steps < 50 or hidden < 2:
        raise ConfigError(f"steps is {steps}, hidden {hidden}; allowed: 50 or more, and 2 or more")
    epochs = 100
    w, mistakes, _ = learn_perceptron(np.column_stack([_CORNERS, np.ones(4)]), _LABELS, most_epochs=epochs)
    right_of_rule = int((np.sign(_CORNERS @ w[:2] + w[2]) == _LABELS).sum())
    network = create_model(
        "mlp", in_channels=2, num_classes=2, input_size=1, widths=[hidden], activation="tanh",
        seed=derive_seed(seed, "xor") % 2**31,
    )  # fmt: skip
    looked_at = np.array(sorted({round(share * steps) for share in _SHARES}))
    x, targets = torch.from_numpy(_CORNERS).float(), torch.from_numpy((_LABELS + 1) / 2).long()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
    losses, right, answers = [], [], []
    for step in range(steps + 1):
        logits = network(x)
        loss = F.cross_entropy(logits, targets)
        if step in looked_at:
            losses.append(float(loss.detach()))
            right.append(int((logits.argmax(1) == targets).sum()))
            answers.append(_answers(network))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return XorStudy(
        looked_at, np.array(losses), np.array(right), np.stack(answers), w, mistakes, right_of_rule, epochs
    )


@torch.no_grad()
def _answers(network: nn.Module) -> NDArray[np.float64]:
    """The difference of the two logits on the grid."""
    axis = torch.linspace(-0.5, 1.5, _SIDE)
    along, across = torch.meshgrid(axis, axis, indexing="ij")
    logits = network(torch.stack([across.flatten(), along.flatten()], dim=1)).double()
    found: NDArray[np.float64] = (logits[:, 1] - logits[:, 0]).reshape(_SIDE, _SIDE).numpy()
    return found

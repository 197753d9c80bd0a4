"""The regularization lab: a grid of two options that hold a network back, and what each cell fits and forgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from convnets.core.display.text_table import aligned
from convnets.core.progress import Progress
from convnets.data.image_set import ImageSet, Splits
from convnets.errors import ConfigError, RunError, UnknownNameError
from convnets.evaluation.evaluate import evaluate
from convnets.evaluation.plots.drawing import INK, ORANGE
from convnets.models.catalogue import model_entry
from convnets.selection.curves.parts import Parts, open_parts
from convnets.training.config import TrainConfig
from convnets.training.events import Listener
from convnets.training.runs.run import ENDED, Run
from convnets.training.train import train

__all__ = ["AXES", "Cell", "RegularizationLab", "regularization"]

AXES = (
    "weight_decay",
    "dropout",
    "l1_penalty",
    "l2_penalty",
    "max_norm",
    "label_smoothing",
    "mixup",
    "width",
)
"""Options and arguments that can be an axis of the lab."""
_OF_NETWORK = ("dropout", "width")
_MOST_TRAINING = 10_000  # training images that the fit is measured on: ± 1 point at worst


@dataclass(frozen=True)
class Cell:
    """One pair of values; accuracies are means over the seeds, of the network as it answers, without dropout."""

    row: float
    column: float
    training: float
    """On images that it was trained on, not augmented."""
    validation: float

    @property
    def gap(self) -> float:
        """Training less validation accuracy."""
        return self.training - self.validation


@dataclass(frozen=True)
class RegularizationLab:
    """The grid, row after row."""

    rows: tuple[str, tuple[float, ...]]
    columns: tuple[str, tuple[float, ...]]
    cells: tuple[Cell, ...]
    seeds: int
    training_images: int
    validation_images: int

    @property
    def best(self) -> Cell:
        """The cell of the highest validation accuracy."""
        return max(self.cells, key=lambda each: each.validation)

    def verdict(self, cell: Cell) -> str:
        """Beside the best cell: fits more and does worse, fits less and does worse, or within the noise as good.

        The noise is two standard errors of the difference of two accuracies on the validation images; it holds for
        one seed, and is generous where images are the same.
        """
        share, count = self.best.validation, self.validation_images * self.seeds
        noise = 2 * (2 * share * (1 - share) / count) ** 0.5
        if self.best.validation - cell.validation <= noise:
            return "as good as the best"
        return "overfits" if cell.training >= self.best.training else "underfits"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        cells = [{**asdict(each), "gap": each.gap, "verdict": self.verdict(each)} for each in self.cells]
        return {**asdict(self), "cells": cells, "best": asdict(self.best)}

    def __str__(self) -> str:
        head = (self.rows[0], self.columns[0], "training", "validation", "gap", "")
        rows = [
            [
                f"{each.row:g}",
                f"{each.column:g}",
                f"{each.training:.4f}",
                f"{each.validation:.4f}",
                f"{each.gap:+.4f}",
                "best" if each is self.best else self.verdict(each),
            ]
            for each in self.cells
        ]
        of = f"{self.training_images:,} training and {self.validation_images:,} validation images, "
        return f"{aligned(head, rows, right=range(5))}\n\n{of}{self.seeds} seed{'s' * (self.seeds > 1)}"

    def figure(self) -> Figure:
        """Three maps side by side: training accuracy, validation accuracy, and the gap between them."""
        heights, widths = len(self.rows[1]), len(self.columns[1])
        figure = Figure(
            figsize=(2.4 + 3 * max(1.9, 0.75 * widths), 1.6 + 0.62 * heights), layout="constrained"
        )
        panels = figure.subplots(1, 3, sharey=True)
        for axes, name, colors in zip(
            panels, ("training", "validation", "gap"), ("Blues", "Blues", "Oranges"), strict=True
        ):
            values = np.array([getattr(each, name) for each in self.cells]).reshape(heights, widths)
            low, spread = values.min(), np.ptp(values)  # light colors, on which every number can be read
            axes.imshow(values, cmap=colors, aspect="auto", vmin=low - 0.2 * spread, vmax=low + 2.2 * spread)
            for (row, column), value in np.ndenumerate(values):
                axes.text(
                    column, row, f"{100 * value:.1f}", ha="center", va="center", color="black", fontsize=9
                )
            title = {"training": "training, %", "validation": "validation, %", "gap": "gap, points"}[name]
            axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK)
            axes.set_xlabel(self.columns[0].replace("_", " "), fontsize=9, color=INK)
            axes.set_xticks(range(widths), [f"{value:g}" for value in self.columns[1]])
            axes.set_yticks(range(heights), [f"{value:g}" for value in self.rows[1]])
            axes.tick_params(colors=INK, labelsize=9, length=0)
            for spine in axes.spines.values():
                spine.set_visible(False)
        row, column = divmod(self.cells.index(self.best), widths)
        frame = Rectangle(
            (column - 0.48, row - 0.46), 0.96, 0.92, fill=False, edgecolor=ORANGE, linewidth=2.5
        )
        panels[1].add_patch(frame)
        panels[0].set_ylabel(self.rows[0].replace("_", " "), fontsize=9, color=INK)
        return figure


def regularization(
    network: str,
    data: Splits | ImageSet | str | Path,
    config: TrainConfig | None = None,
    *,
    rows: tuple[str, Sequence[float]] = ("weight_decay", (0.0, 0.05, 0.5)),
    columns: tuple[str, Sequence[float]] = ("dropout", (0.0, 0.3, 0.6)),
    images: int | None = None,
    seeds: int = 1,
    output: Path | str = "runs",
    name: str | None = None,
    go_on: bool = False,
    listeners: Sequence[Listener] | None = None,
    progress: Progress | None = None,
) -> RegularizationLab:
    """Train `network` with every pair of two options' values, and measure what it fits and what it answers.

    The validation images are the same for all cells; the test images are taken away. The weights are the
    last ones: choosing the best epoch would be a regularization of its own. Runs lie in `output`/NAME.

    Args:
        rows, columns: names from `AXES`, and values of each.
        images: train on so many, stratified; few of them make overfitting easy to see.
        seeds: runs of each cell, of which the means are taken.

    Raises ConfigError for what is not allowed, RunError where a run was stopped: go on.
    """
    config = config or TrainConfig()
    for axis, values in (rows, columns):
        _check_axis(network, axis, values)
    if rows[0] == columns[0]:
        raise ConfigError(f"rows and columns are both {rows[0]}; allowed: two different ones")
    if seeds < 1:
        raise ConfigError(f"seeds is {seeds}; allowed: 1 or more")
    parts = open_parts(data, config, progress)
    parts = replace(parts, train=parts.some(images, config.seed))
    path = Path(output) / (name or f"regularization-{network}-{parts.name}")
    cells = []
    for row in rows[1]:
        for column in columns[1]:
            chosen = {rows[0]: float(row), columns[0]: float(column)}
            found = [
                _measured(_run(network, parts, config, chosen, seed, path, go_on, listeners, progress), parts)
                for seed in range(config.seed, config.seed + seeds)
            ]
            training, validation = (mean(each) for each in zip(*found, strict=True))
            cells.append(Cell(float(row), float(column), training, validation))
    return RegularizationLab(
        (rows[0], tuple(map(float, rows[1]))),
        (columns[0], tuple(map(float, columns[1]))),
        tuple(cells),
        seeds,
        len(parts.train),
        len(parts.validation),
    )


def _run(
    network: str,
    parts: Parts,
    config: TrainConfig,
    chosen: Mapping[str, float],
    seed: int,
    path: Path,
    go_on: bool,
    listeners: Sequence[Listener] | None,
    progress: Progress | None,
) -> Run:
    options = {key: value for key, value in chosen.items() if key not in _OF_NETWORK}
    run = train(
        network,
        Splits(parts.train),
        replace(config, seed=seed, validation=0.0, **options),  # type: ignore[arg-type]
        arguments={key: value for key, value in chosen.items() if key in _OF_NETWORK},
        output=path,
        name="-".join([*(f"{key}{value:g}" for key, value in chosen.items()), f"seed{seed}"]),
        go_on=go_on,
        listeners=listeners,
        progress=progress,
    )
    if run.status not in ENDED:
        raise RunError(f"{run.path} was stopped ({run.status}); go on with --resume")
    return run


def _measured(run: Run, parts: Parts) -> tuple[float, float]:
    """Accuracy on training images and on validation images."""
    model = run.load()
    seen = parts.some(_MOST_TRAINING, 0)
    fitted, left_out = (
        evaluate(model.network, images, model.preprocess) for images in (seen, parts.validation)
    )
    return fitted.accuracy, left_out.accuracy


def _check_axis(network: str, axis: str, values: Sequence[float]) -> None:
    if axis not in AXES:
        raise UnknownNameError("axis", axis, AXES)
    if axis in _OF_NETWORK and axis not in model_entry(network).options:
        others = [each for each in AXES if each not in _OF_NETWORK or each in model_entry(network).options]
        raise ConfigError(f"{network} has no {axis}; allowed: {', '.join(others)}")
    if len(set(values)) != len(values) or len(values) < 2:
        raise ConfigError(f"{axis} is {list(values)}; allowed: two or more different values")

"""Accuracy on corrupted images: by corruption and severity, the mean, and what a shift of a pixel or two changes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from convnets.core.display.text_table import aligned
from convnets.core.hardware import Hardware
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import DataError, UnknownNameError
from convnets.evaluation.evaluate import evaluate
from convnets.selection.robustness.chart import corruption_figure
from convnets.selection.robustness.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from convnets.selection.robustness.moves import shifted

__all__ = ["CorruptedEvaluation", "evaluate_corruptions"]

_AT_ONCE = 512
_MOST_SHIFT = 3


@dataclass(frozen=True)
class CorruptedEvaluation:
    """One network on images that were made worse."""

    images: int
    clean: float
    """Accuracy on the images as they are."""
    accuracy: dict[str, tuple[float, ...]]
    """By corruption, at severities 1 to 5."""
    consistency: tuple[float, ...]
    """Share of images that keep their class, right or wrong, when shifted by 1, 2 and 3 pixels (mean of four ways)."""
    seed: int

    @property
    def mean(self) -> float:
        """Mean accuracy over corruptions and severities."""
        values = [value for row in self.accuracy.values() for value in row]
        return sum(values) / len(values)

    def relative_error(self, baseline: CorruptedEvaluation) -> float:
        """Mean over corruptions of this network's errors divided by the other's, as CIFAR-10-C's mCE has it.

        Hendrycks & Dietterich 2019, section 4.1; 1 is as good as the baseline, less is better.
        """
        ratios = [
            sum(1 - value for value in row) / max(sum(1 - value for value in baseline.accuracy[name]), 1e-12)
            for name, row in self.accuracy.items()
        ]
        return sum(ratios) / len(ratios)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "images": self.images,
            "clean": self.clean,
            "mean": self.mean,
            "accuracy": {name: list(row) for name, row in self.accuracy.items()},
            "consistency_under_shifts": list(self.consistency),
            "seed": self.seed,
        }

    def _rows(self) -> list[list[str]]:
        return [
            [name, *(f"{value:.3f}" for value in row), f"{sum(row) / len(row):.3f}"]
            for name, row in self.accuracy.items()
        ]

    def to_csv(self) -> str:
        """A row per corruption."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(("corruption", *SEVERITIES, "mean"))
        writer.writerows(self._rows())
        return buffer.getvalue()

    def __str__(self) -> str:
        head = ("corruption", *map(str, SEVERITIES), "mean")
        kept = ", ".join(f"{pixels}: {share:.1%}" for pixels, share in enumerate(self.consistency, 1))
        return (
            f"accuracy on {self.images:,} images {self.clean:.4f}, corrupted {self.mean:.4f}\n\n"
            f"{aligned(head, self._rows(), right=range(1, 7))}\n\nthe class stays when shifted by pixels: {kept}"
        )

    def figure(self) -> Figure:
        """Accuracy against severity, a small chart per corruption."""
        return corruption_figure(self.accuracy, self.clean)


def evaluate_corruptions(
    network: nn.Module,
    images: ImageSet,
    preprocess: Preprocess,
    *,
    corruptions: Sequence[str] = CORRUPTIONS,
    severities: Sequence[int] = SEVERITIES,
    seed: int = 0,
    hardware: Hardware | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CorruptedEvaluation:
    """Evaluate `network` on `images` under each corruption at each severity.

    progress: called with (evaluations done, in all). Raises UnknownNameError for another corruption, DataError for
    images that are still files: decode them first.

    >>> pixels = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)
    >>> images = ImageSet(pixels, torch.tensor([0, 1, 0]), ("cat", "dog"), "zeros")
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    >>> found = evaluate_corruptions(network, images, Preprocess.plain(1, 8), corruptions=["fog"], severities=[5])
    >>> len(found.accuracy["fog"])
    1
    """
    for name in corruptions:
        if name not in CORRUPTIONS:
            raise UnknownNameError("corruption", name, CORRUPTIONS)
    if not images.resident:
        raise DataError(
            f"{images.source}: the images are still files; decode them first with decode_images()"
        )

    def ask(pixels: Tensor) -> Tensor:
        found = evaluate(network, replace(images, images=pixels), preprocess, hardware=hardware)
        return found.probabilities.argmax(1)

    clean = ask(images.pixels)
    total, done = len(corruptions) * len(severities), 0
    accuracy: dict[str, tuple[float, ...]] = {}
    for name in corruptions:
        row = []
        for severity in severities:
            row.append(_share(ask(_corrupted(images.pixels, name, severity, seed)), images.labels))
            done += 1
            if progress is not None:
                progress(done, total)
        accuracy[name] = tuple(row)
    return CorruptedEvaluation(
        len(images), _share(clean, images.labels), accuracy, _consistency(images, clean, ask), seed
    )


def _corrupted(pixels: Tensor, name: str, severity: int, seed: int) -> Tensor:
    return torch.cat(
        [
            corrupt(
                pixels[start : start + _AT_ONCE],
                name,
                severity,
                indices=range(start, min(start + _AT_ONCE, len(pixels))),
                seed=seed,
            )
            for start in range(0, len(pixels), _AT_ONCE)
        ]
    )


def _consistency(images: ImageSet, clean: Tensor, ask: Callable[[Tensor], Tensor]) -> tuple[float, ...]:
    """Zhang 2019, "Making convolutional networks shift-invariant again", with shifts in four directions."""
    found = []
    for pixels in range(1, _MOST_SHIFT + 1):
        ways = [(pixels, 0), (-pixels, 0), (0, pixels), (0, -pixels)]
        found.append(sum(_share(ask(shifted(images.pixels, *way)), clean) for way in ways) / 4)
    return tuple(found)


def _share(answers: Tensor, wanted: Tensor) -> float:
    return float((answers == wanted).double().mean())

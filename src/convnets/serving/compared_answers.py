"""Compared answers: trained networks asked about the same images, pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from convnets.core.hardware import Hardware
from convnets.core.progress import Progress
from convnets.errors import UsageError
from convnets.selection.statistics.holm import holm
from convnets.selection.statistics.pairs import McNemar, mcnemar
from convnets.serving.evaluation import evaluate_model

__all__ = ["ComparedAnswers", "compare_answers"]


@dataclass(frozen=True)
class ComparedAnswers:
    """McNemar's exact test of each pair, with p-values corrected for their number."""

    part: str
    images: int
    pairs: tuple[tuple[str, str, McNemar, float], ...]
    """First, second, the test, and Holm's p-value."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rows = [
            {"first": first, "second": second, **test.to_dict(), "holm": value}
            for first, second, test, value in self.pairs
        ]
        return {"part": self.part, "images": self.images, "pairs": rows}

    def __str__(self) -> str:
        lines = [
            f"McNemar's exact test on {self.images:,} images ({self.part}), of these trained networks alone"
        ]
        for first, second, test, value in self.pairs:
            lines.append(
                f"{first} alone right: {test.only_first}, {second} alone: {test.only_second}; "
                f"p {test.p_value:.3g}, Holm {value:.3g}"
            )
        return "\n".join(lines)


def compare_answers(
    sources: Sequence[Path | str],
    data: str | Path | None = None,
    *,
    part: str = "test",
    hardware: Hardware | None = None,
    progress: Progress | None = None,
) -> ComparedAnswers:
    """Ask each run or model folder about the same images, those of the first run where no `data` are given.

    Only `test` images are new to every run: validation images are split off by the seed. Raises UsageError for fewer
    than two sources, and where the images differ.
    """
    if len(sources) < 2:
        raise UsageError(f"{len(sources)} network to compare; give two or more")
    judged = [
        evaluate_model(source, data, part=part, hardware=hardware, progress=progress) for source in sources
    ]
    hashes = {each.images.content_hash() for each in judged}
    if len(hashes) > 1:
        raise UsageError("the networks were asked about different images; say which with --data, --part test")
    right = [(each.evaluation.probabilities.argmax(1) == each.evaluation.labels).tolist() for each in judged]
    tests = [
        (str(sources[i]), str(sources[j]), mcnemar(right[i], right[j]))
        for i, j in combinations(range(len(sources)), 2)
    ]
    corrected = holm([test.p_value for _, _, test in tests])
    pairs = tuple((*each, value) for each, value in zip(tests, corrected, strict=True))
    return ComparedAnswers(part, judged[0].evaluation.images, pairs)

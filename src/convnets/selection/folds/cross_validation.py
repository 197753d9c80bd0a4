"""CrossValidation: what the folds of a cross-validation reached, read back from their runs."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from convnets.core.display.text_table import aligned
from convnets.core.former_names import current_names
from convnets.core.html.kit import card, note, table
from convnets.errors import RunError
from convnets.selection.folds.out_of_fold import OutOfFold, read_out_of_fold
from convnets.selection.statistics.intervals import SHARES, Interval, corrected_interval
from convnets.training.runs.run import ENDED, Run

__all__ = ["RECORD", "CrossValidation", "FoldScore", "read_cross_validation"]

RECORD = "cross_validation.json"


@dataclass(frozen=True)
class FoldScore:
    """One run, judged on the images that it never saw."""

    name: str
    status: str
    """The run's; `not begun` where there is none yet."""
    images: int
    """Held out."""
    accuracy: float | None = None
    loss: float | None = None
    """Mean cross-entropy in nats."""
    epoch: int | None = None
    """The best by its validation images."""


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """The folder of a cross-validation."""

    path: Path
    settings: dict[str, Any]
    """Network, data, options, number of folds and repeats."""
    scores: tuple[FoldScore, ...]
    stopped: str | None = None
    """Why it was stopped before its end, if it was."""

    @property
    def accuracies(self) -> list[float]:
        """Of the folds that have ended, in their order."""
        return [score.accuracy for score in self.scores if score.accuracy is not None]

    @property
    def mean(self) -> float:
        """Mean accuracy of the folds that have ended."""
        return statistics.fmean(self.accuracies)

    @property
    def std(self) -> float:
        """Standard deviation over the folds that have ended; 0 for a single one."""
        return statistics.stdev(self.accuracies) if len(self.accuracies) > 1 else 0.0

    @property
    def interval(self) -> Interval | None:
        """95 %, corrected for the images that folds share; None before two have ended."""
        if len(self.accuracies) < 2:
            return None
        return corrected_interval(self.accuracies, 1 / (self.settings["folds"] - 1), ends=SHARES)

    @property
    def complete(self) -> bool:
        """Whether every fold has ended."""
        return len(self.accuracies) == len(self.scores)

    @property
    def model_folder(self) -> Path:
        """The ensemble of the folds."""
        return self.path / "model"

    def out_of_fold(self) -> OutOfFold:
        """What was said of each image by the runs that had not seen it; DataError before the end."""
        return read_out_of_fold(self.path / "out_of_fold.csv")

    def runs(self) -> list[Run]:
        """The runs that have begun, in the order of the folds."""
        folders = [self.path / "folds" / score.name for score in self.scores]
        return [Run(folder) for folder in folders if folder.exists()]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        found = self.interval
        known = bool(self.accuracies)
        return {
            **self.settings,
            "mean": self.mean if known else None,
            "std": self.std if known else None,
            "interval": None if found is None else found.to_dict(),
            "stopped": self.stopped,
            "scores": [asdict(score) for score in self.scores],
        }

    def _rows(self) -> list[list[str]]:
        return [
            [
                score.name,
                f"{score.images:,}",
                "–" if score.accuracy is None else f"{score.accuracy:.4f}",
                "–" if score.loss is None else f"{score.loss:.4f}",
                "–" if score.epoch is None else str(score.epoch),
                score.status,
            ]
            for score in self.scores
        ]

    def headline(self) -> str:
        """Mean, spread and interval in a line."""
        if not self.accuracies:
            return "no fold has ended"
        found = self.interval
        ends = "" if found is None else f", 95 % from {found.low:.4f} to {found.high:.4f} ({found.method})"
        return f"accuracy {self.mean:.4f} ± {self.std:.4f} over {len(self.accuracies)} folds{ends}"

    def __str__(self) -> str:
        head = ("fold", "images", "accuracy", "loss", "epoch", "status")
        return f"{self.headline()}\n\n{aligned(head, self._rows(), right=(1, 2, 3, 4))}"

    def _repr_html_(self) -> str:
        rows = self._rows()
        head = ("fold", "images", "accuracy", "loss", "epoch", "status")
        return card(
            f"Cross-validation of {self.settings['network']}", note(self.headline()), table(head, rows)
        )


def read_cross_validation(path: Path | str, stopped: str | None = None) -> CrossValidation:
    """Read the folder back. Raises RunError where it is none or damaged."""
    path = Path(path)
    try:
        settings = json.loads((path / RECORD).read_text("utf-8"))
        settings["options"] = current_names(settings["options"], str(path / RECORD))
        planned = [(str(each["name"]), int(each["images"])) for each in settings.pop("planned")]
    except OSError:
        raise RunError(
            f"{path} is no cross-validation: it lacks {RECORD}; make one by cross-validate"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path / RECORD} is damaged: {str(error)[:60]}") from None
    return CrossValidation(path, settings, tuple(_score(path, *each) for each in planned), stopped)


def _score(path: Path, name: str, images: int) -> FoldScore:
    folder = path / "folds" / name
    if not (folder / "environment.json").exists():
        return FoldScore(name, "not begun", images)
    run = Run(folder)
    test = run.results.get("test") if run.status in ENDED else None
    if test is None:
        return FoldScore(name, run.status, images)
    return FoldScore(name, run.status, images, test["accuracy"], test["loss"], run.results.get("epoch"))

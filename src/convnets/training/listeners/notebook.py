"""The notebook: one live picture, updated in place as SVG, that is still there when the notebook is saved."""

from __future__ import annotations

import time
from typing import Any

from convnets.core.display.live_picture import LivePicture
from convnets.evaluation.plots.figures import curves_svg
from convnets.training.events import (
    EmbeddingEvaluated,
    EpochEnded,
    EpochStarted,
    Evaluated,
    Event,
    HealthMeasured,
    KernelsChosen,
    Notice,
    RunEnded,
    RunStarted,
    StepEnded,
)
from convnets.training.listeners.run_picture import RunPicture
from convnets.training.listeners.terminal import Terminal, duration, ending, kernels_measured, not_accelerated

__all__ = ["Notebook"]

_NOTES_SHOWN = 8


class Notebook:
    """Progress, curves, notes and result of a run in one output of the cell.

    Nothing else is printed. Where the picture cannot be drawn, the terminal's rows go on in its place.
    """

    def __init__(self, interval: float = 0.5) -> None:
        self._live = LivePicture(self._draw, interval)
        self._rows_instead = Terminal()
        self._heard: list[Event] = []  # what the rows would need to begin with
        self._rows: list[dict[str, Any]] = []
        self._title, self._status, self._result = "", "", ""
        self._share: float | None = 0.0
        self._facts: list[str] = []
        self._notes: list[str] = []
        self._started: RunStarted | None = None
        self._running: dict[str, float | None] | None = None  # the point of the epoch that is not over
        self._curves = ""
        self._drawn_rows: list[dict[str, Any]] | None = None
        self._begun = time.monotonic()

    def __call__(self, event: Event) -> None:
        if not isinstance(event, StepEnded):
            self._heard.append(event)
        self._hear(event)
        self._live.update(last=isinstance(event, RunStarted | RunEnded))
        if self._live.failure is not None:
            for missed in self._heard:
                self._rows_instead(missed)
            self._heard = []

    def _hear(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._start(event)
            case Notice():
                self._note(event.message)
            case KernelsChosen():
                self._show_kernels(event)
            case HealthMeasured():
                for warning in event.warnings:
                    self._note(f"health after epoch {event.epoch}: {warning}")
            case EpochStarted():
                self._status = f"epoch {event.epoch}/{self._epochs()}"
            case StepEnded():
                self._step(event)
            case EpochEnded():
                self._rows.append(event.to_dict())
                self._running = None
            case Evaluated():
                self._result = f"test accuracy {event.accuracy:.4f}, loss {event.loss:.4f}"
            case EmbeddingEvaluated():
                self._result = f"test Recall@1 {event.recall_at_1:.4f}, MAP@R {event.map_at_r:.4f}"
            case RunEnded():
                self._end(event)

    def _start(self, event: RunStarted) -> None:
        self._started, self._begun = event, time.monotonic()
        self._title = f"{event.network} on {event.data}"
        self._status = f"{event.epochs} epochs; preparing the first step"
        size = "×".join(map(str, event.input_shape))
        of = event.examples
        validation = f", {event.validation_images:,} validation {of}" if event.validation_images else ""
        self._facts = [
            f"{event.parameters:,} parameters · input {size} · {event.train_images:,} training {of}{validation}",
            f"{event.hardware} → {event.run}",
        ]
        if event.objective == "numbers":
            self._facts.append("accuracy means R²: 1 is perfect, 0 as good as the mean")
        elif event.objective == "quantiles":
            self._facts.append("accuracy means R¹: 1 is perfect, 0 as good as the rows' own quantiles")
        elif event.objective != "classification":
            self._facts.append(
                "accuracy means Recall@1: within a batch while training, among the validation images"
            )

    def _step(self, event: StepEnded) -> None:
        done = event.epoch - 1 + event.step / event.steps
        self._share = done / max(1, self._epochs())
        first = 0.0
        if self._started is not None:
            first = self._started.first_epoch + self._started.first_step / event.steps
        left = ""
        if done - first > 0.05:
            seconds = (time.monotonic() - self._begun) * (self._epochs() - done) / (done - first)
            left = f" · about {duration(seconds)} left"
        self._status = (
            f"epoch {event.epoch}/{self._epochs()} · step {event.step}/{event.steps} · loss {event.loss:.4f} · "
            f"{event.images_per_second:,.0f} images/s{left}"
        )
        self._running = {"epoch": done, "train_loss": event.loss}

    def _end(self, event: RunEnded) -> None:
        self._share = None
        best = ""
        if event.best_epoch is not None and event.best_epoch != event.epochs:
            best = f", best weights: epoch {event.best_epoch}"
        self._status = f"{ending(event)}{best}"
        if self._result:
            self._status = f"{self._result} · {self._status}"
        if event.reason in ("interrupted", "terminated"):
            self._note(f"the run is usable as it is; go on: convnets.resume({event.run!r})")

    def _show_kernels(self, event: KernelsChosen) -> None:
        if event.obstacle is not None:
            self._note(not_accelerated(event))
        if event.measured:  # what said that it goes on is over
            self._notes = [line for line in self._notes if not line.startswith("note: measuring")]
            self._note(kernels_measured(event))

    def _note(self, message: str) -> None:
        line = f"note: {message}"
        if line not in self._notes:
            self._notes.append(line)

    def _epochs(self) -> int:
        return 0 if self._started is None else self._started.epochs

    def _draw(self) -> tuple[str, str]:
        rows = [*self._rows, *([self._running] if self._running else [])]
        if rows and rows != self._drawn_rows:
            self._curves, self._drawn_rows = curves_svg(rows), rows
        hidden = len(self._notes) - _NOTES_SHOWN
        notes = self._notes[:_NOTES_SHOWN] + ([f"… and {hidden} notes more"] if hidden > 0 else [])
        picture = RunPicture(self._title, self._status, self._share, self._curves, [*self._facts, *notes])
        return picture.svg(), str(picture)

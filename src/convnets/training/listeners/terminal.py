"""The terminal: one row per epoch that stays, under it one progress bar that goes; plain lines elsewhere."""

from __future__ import annotations

import re

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from convnets.evaluation.comparison_table import compare_baselines
from convnets.training.events import (
    EmbeddingEvaluated,
    EmbeddingMeasured,
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
    TableEvaluated,
)

__all__ = ["Terminal", "duration", "ending", "kernels_measured", "not_accelerated"]

# Every row fits a terminal of 80 columns. The speed is that of the whole epoch, as a clock on the wall sees it;
# metrics.csv has that of the training steps alone too.
_HEADER = (
    f"{'epoch':>7} {'train loss':>11} {'train acc':>9} {'val loss':>9} {'val acc':>7} "
    f"{'rate':>7} {'images/s':>8} {'time':>7}"
)


class Terminal:
    """Rows for people. On a terminal a transient bar shows the running epoch; piped, there are only lines."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._epochs = 0
        self._headed = False
        self._measure, self._examples = "acc", "images"
        self._troubles: set[str] = set()

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._start(event)
            case Notice():
                self._line(f"note: {event.message}", "yellow")
            case KernelsChosen():
                self._show_kernels(event)
            case EpochStarted():
                self._show_header()
                self._show_bar(event)
            case StepEnded() if self._bar is not None and self._task is not None:
                speed = f"{event.images_per_second:,.0f} {self._examples}/s"
                text = f"epoch {event.epoch}/{self._epochs}  loss {event.loss:.4f}  {speed}"
                self._bar.update(self._task, completed=event.step, description=text)
            case EmbeddingMeasured():
                self._hide_bar()
                self._line(_vectors_row(event), "dim")
            case HealthMeasured():
                self._show_health(event)
            case EpochEnded():
                self._hide_bar()
                self._line(_row(event, self._epochs), "bold green" if event.best else "")
            case Evaluated():
                self._line(
                    f"test accuracy {event.accuracy:.4f}, loss {event.loss:.4f} on {event.images:,} images",
                    "bold",
                )
            case EmbeddingEvaluated():
                self._line(
                    f"test Recall@1 {event.recall_at_1:.4f}, R-precision {event.r_precision:.4f}, "
                    f"MAP@R {event.map_at_r:.4f} on {event.images:,} images, each searching among the others",
                    "bold",
                )
            case TableEvaluated():
                judged = f"{event.part}, {event.rows:,} {event.examples}"
                self._line(f"{judged}, beside simple models on the same {event.examples}:", "bold")
                self._line(compare_baselines(event.network, event.figures))
            case RunEnded():
                self._hide_bar()
                self._end(event)

    def _start(self, event: RunStarted) -> None:
        self._epochs = event.epochs
        self._measure = {"classification": "acc", "numbers": "R²", "quantiles": "R¹"}.get(
            event.objective, "R@1"
        )
        self._examples = event.examples
        memory = (
            f"{event.resident_bytes / 1e6:,.1f} MB in memory"
            if event.resident_bytes
            else "streamed from files"
        )
        self._line(
            f"{event.network}: {event.parameters:,} parameters, input {'×'.join(map(str, event.input_shape))}",
            "bold",
        )
        self._line(f"{event.data}: {event.train_images:,} training {event.examples} ({memory})")
        if event.validation_images:
            self._line(f"{event.validation_images:,} validation {event.examples} choose the best epoch")
        self._line(f"{event.hardware} → {event.run}")
        if event.first_epoch or event.first_step:
            steps = f", step {event.first_step} of the next" if event.first_step else ""
            self._line(f"going on after epoch {event.first_epoch}{steps}")

    def _end(self, event: RunEnded) -> None:
        if event.best_epoch is not None and event.best_epoch != event.epochs:
            self._line(f"best weights: epoch {event.best_epoch}")
        self._line(ending(event))
        if event.reason in ("interrupted", "terminated"):
            self._line(f"the run is usable as it is; go on: convnets train --resume {event.run}")
        if event.report is not None:
            self._line(f"report: {event.report}")

    def _show_kernels(self, event: KernelsChosen) -> None:
        if event.obstacle is not None:
            self._line(f"note: {not_accelerated(event)}", "yellow")
        if event.measured:
            self._line(f"note: {kernels_measured(event)}", "yellow")

    def _show_health(self, event: HealthMeasured) -> None:
        self._hide_bar()
        when = f"after epoch {event.epoch}" if event.epoch else "at the start"
        for warning in event.warnings:
            kind = re.sub(r"[\d.]+(e[-+]\d+)?", "", warning)
            if kind not in self._troubles:  # once, not after each epoch with other numbers
                self._line(f"note: health {when}: {warning}", "yellow")
            self._troubles.add(kind)

    def _show_header(self) -> None:
        if not self._headed:  # once, below the notes
            header = _HEADER.replace("train acc", f"train {self._measure}".rjust(9))
            header = header.replace("val acc", f"val {self._measure}".rjust(7))
            self._line(header.replace("images/s", f"{self._examples}/s".rjust(8)), "dim")
        self._headed = True

    def _show_bar(self, event: EpochStarted) -> None:
        if not self.console.is_terminal:
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
        self._bar = Progress(*columns, TimeRemainingColumn(), console=self.console, transient=True)
        self._task = self._bar.add_task(
            f"epoch {event.epoch}/{self._epochs}", total=event.steps, completed=event.first_step
        )
        self._bar.start()

    def _hide_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _line(self, text: str, style: str = "") -> None:
        self.console.print(Text(text, style=style), soft_wrap=True)


def _vectors_row(event: EmbeddingMeasured) -> str:
    """The line above an epoch's row, which then tells Recall@1 where it says accuracy."""
    text = (
        f"{'':>7} active {event.active:.1%}, distance {event.positive_distance:.3f} in a class, "
        f"{event.negative_distance:.3f} between"
    )
    return text if event.map_at_r is None else f"{text}, MAP@R {event.map_at_r:.4f}"


def _row(event: EpochEnded, epochs: int) -> str:
    loss = "–" if event.validation_loss is None else f"{event.validation_loss:.4f}"
    accuracy = "–" if event.validation_accuracy is None else f"{event.validation_accuracy:.4f}"
    best = " ★ best" if event.best and event.validation_accuracy is not None else ""
    return (
        f"{f'{event.epoch}/{epochs}':>7} {event.train_loss:>11.4f} {event.train_accuracy:>9.4f} "
        f"{loss:>9} {accuracy:>7} "
        f"{event.learning_rate:>7.2g} {event.images_per_second_wall:>8,.0f} {duration(event.seconds):>7}{best}"
    )


def kernels_measured(event: KernelsChosen) -> str:
    """What was measured, in one line."""
    own = sum(choice["kernel"] != "onednn" for choice in event.choices)
    return (
        f"kernels of {event.measured} convolution shapes measured in {event.seconds:.1f} s: "
        f"{own} of {len(event.choices)} choices are not oneDNN's; all remembered"
    )


def not_accelerated(event: KernelsChosen) -> str:
    """Why the network, or a part of it, trains by PyTorch's own layers, in one line."""
    part = ", in part" if event.fused or event.convolutions else ""
    return f"trained through PyTorch's own layers{part}: {event.obstacle}"


def ending(event: RunEnded) -> str:
    """Why the run ended, after how many epochs and how long."""
    reasons = {"patience": "no better for a while: stopped", "time budget": "time budget used"}
    epochs = "1 epoch" if event.epochs == 1 else f"{event.epochs} epochs"
    return f"{reasons.get(event.reason, event.reason)} after {epochs}, {duration(event.seconds)}"


def duration(seconds: float) -> str:
    """Seconds for people: with a unit, or as minutes and hours."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

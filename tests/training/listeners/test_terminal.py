"""The terminal's rows: they stay, the bar goes, and a pipe gets plain lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from convnets.training.events import (
    EpochEnded,
    EpochStarted,
    Evaluated,
    Event,
    Notice,
    RunEnded,
    RunStarted,
    StepEnded,
)
from convnets.training.listeners.terminal import Terminal

STARTED = RunStarted("runs/x-1", "lenet", "digits", 61706, (1, 28, 28), 1293, 144, 82752, "cpu", 2, 0)
ROW = EpochEnded(1, 0.1, 1.5, 0.5, 1.25, 0.625, 20000.0, 12345.0, 1.5, best=True)
ENDED = RunEnded("finished", 2, 3.0, "runs/x-1", "runs/x-1/report.html", 1)
EVENTS: Sequence[Event] = (
    STARTED,
    Notice("two pictures were left out"),
    EpochStarted(1, 10),
    StepEnded(1, 5, 10, 1.75, 11111.0),
    ROW,
    EpochStarted(2, 10),
    StepEnded(2, 10, 10, 1.25, 11111.0),
    replace(ROW, epoch=2, best=False),
    Evaluated(0.75, 0.5, 360),
    ENDED,
)


def heard(events: Sequence[Event], *, terminal: bool = False, color: bool = True, width: int = 80) -> str:
    stream = StringIO()
    console = Console(file=stream, force_terminal=terminal, no_color=not color, width=width)
    listener = Terminal(console)
    for event in events:
        listener(event)
    return stream.getvalue()


def test_a_pipe_gets_plain_lines() -> None:
    assert heard(EVENTS).splitlines() == [
        "lenet: 61,706 parameters, input 1×28×28",
        "digits: 1,293 training images (0.1 MB in memory)",
        "144 validation images choose the best epoch",
        "cpu → runs/x-1",
        "note: two pictures were left out",
        "  epoch  train loss train acc  val loss val acc    rate images/s    time",
        "    1/2      1.5000    0.5000    1.2500  0.6250     0.1   12,345   1.5 s ★ best",
        "    2/2      1.5000    0.5000    1.2500  0.6250     0.1   12,345   1.5 s",
        "test accuracy 0.7500, loss 0.5000 on 360 images",
        "best weights: epoch 1",
        "finished after 2 epochs, 3.0 s",
        "report: runs/x-1/report.html",
    ]


def test_a_terminal_keeps_the_rows_and_not_the_bar() -> None:
    screen = heard(EVENTS, terminal=True)
    assert "epoch 1/2  loss 1.7500  11,111 images/s" in screen
    assert screen.count("\x1b[?25l") == screen.count("\x1b[?25h") == 2  # the cursor comes back after each bar
    kept = [line.rpartition("\x1b[2K")[2] for line in screen.splitlines()]
    plain = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line).rstrip("\r") for line in kept]
    rows = [line for line in plain if line and not line.startswith("epoch ")]
    assert rows == heard(EVENTS).splitlines()
    assert "\x1b[1;32m    1/2 " in screen  # the best row stands out


def test_without_colors_where_nobody_wants_them() -> None:
    screen = heard(EVENTS, terminal=True, color=False)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", screen)
    assert "★ best" in screen


def test_rows_fit_eighty_columns() -> None:
    large = replace(ROW, epoch=100, learning_rate=0.000123, images_per_second_wall=123456.0, seconds=5000.0)
    events = [replace(STARTED, epochs=100), EpochStarted(100, 10), large]
    lines = heard(events).splitlines()
    assert max(map(len, lines[-2:])) <= 80
    assert lines[-1].endswith(" 123,456 1:23:20 ★ best")


@pytest.mark.parametrize("width", [40, 60])
def test_a_narrow_terminal_loses_nothing(width: int) -> None:
    assert heard(EVENTS, width=width) == heard(EVENTS)


def test_a_run_without_validation_has_no_best_epoch_to_tell() -> None:
    row = replace(ROW, validation_loss=None, validation_accuracy=None)
    lines = heard([replace(STARTED, validation_images=0), EpochStarted(1, 10), row]).splitlines()
    assert not any("validation" in line for line in lines)
    assert lines[-1].split() == ["1/2", "1.5000", "0.5000", "–", "–", "0.1", "12,345", "1.5", "s"]


def test_an_interrupted_run_says_how_to_go_on() -> None:
    lines = heard([EpochStarted(1, 10), replace(ENDED, reason="interrupted", epochs=1)]).splitlines()
    assert lines[1:3] == [
        "interrupted after 1 epoch, 3.0 s",
        "the run is usable as it is; go on: convnets train --resume runs/x-1",
    ]
    first = replace(ENDED, reason="interrupted", epochs=0, best_epoch=None)
    assert "the run is usable as it is; go on: convnets train --resume runs/x-1" in heard([first])


def test_a_resumed_run_says_where_it_goes_on() -> None:
    assert "going on after epoch 3\n" in heard([replace(STARTED, first_epoch=3)])
    halfway = replace(STARTED, first_epoch=3, first_step=7)
    assert "going on after epoch 3, step 7 of the next\n" in heard([halfway])


def test_streamed_images_take_no_memory() -> None:
    assert "(streamed from files)" in heard([replace(STARTED, resident_bytes=0)])

"""The help of `convnets train` in panels, and the ecosystem's spellings of its options."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from convnets.cli.panels import PANELS
from convnets.cli.training.options import as_given
from convnets.cli.training.train import train as command
from convnets.training.config import TrainConfig

Command = Callable[..., Any]
Refused = Callable[..., str]


def test_every_option_stands_in_one_panel() -> None:
    offered = sorted([*inspect.signature(command).parameters, "help"])
    assert sorted(name for names in PANELS.values() for name in names) == offered


def test_help_shows_the_panels_in_order_and_the_common_ones_within_two_screens(
    convnets: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = convnets("train", "--help").out.splitlines()
    assert max(map(len, lines)) <= 80
    headings = [line.removesuffix(":") for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert headings == list(PANELS)
    common = ["Network", "Data", "Optimization", "Regularization", "Hardware", "Run"]
    assert headings[:6] == common
    assert all(heading.startswith("Rare: ") for heading in headings[6:])
    assert lines.index("Rare: network:") <= 2 * 40  # lines of a screen
    text = "\n".join(lines)
    for shown in ("--from, --pretrained RUN|FILE", "--learning-rate, --lr X", "--batch-size, --batch N",
                  "--optimizer, --opt NAME", "--weight-decay, --wd X", "-o, --output, --out FOLDER",
                  "--amp/--no-amp"):  # fmt: skip
        assert shown in text
    for field in fields(TrainConfig):
        if field.name not in ("start", "normalize"):
            assert f"--{field.name.replace('_', '-')}" in text
    assert "-h, --help" in text


@pytest.mark.parametrize(
    ("spelling", "option", "value"),
    [
        (("--lr", "0.25"), "learning_rate", 0.25),
        (("--opt", "sgd"), "optimizer", "sgd"),
        (("--optimizer", "sgd"), "optimizer", "sgd"),
        (("--batch", "7"), "batch_size", 7),
        (("--wd", "0.5"), "weight_decay", 0.5),
        (("--amp",), "precision", "bf16"),
        (("--no-amp",), "precision", "fp32"),
        (("--no-normalize",), "normalize", False),
        (("--initializer", "xavier-uniform"), "initializer", "xavier-uniform"),
        (("--pretrained", "w.pth", "--data", "digits"), "start", "w.pth"),
        (("--from", "w.pth", "--data", "digits"), "start", "w.pth"),
    ],
)
def test_spellings(
    convnets: Command,
    started: list[tuple[Any, ...]],
    tmp_path: Path,
    spelling: tuple[str, ...],
    option: str,
    value: object,
) -> None:
    assert convnets("train", "lenet", *spelling, "--out", tmp_path).status == 0
    _, _, config, more = started[0]
    assert getattr(config, option) == value
    assert more["output"] == tmp_path


def test_amp_and_precision_exclude_each_other(refused: Refused) -> None:
    message = refused(2, "train", "lenet", "--amp", "--precision", "fp32")
    assert message == "--amp and --precision say the same; give one"


def test_options_are_written_as_they_are_given() -> None:
    values = {
        "learning_rate": 0.5,
        "fast": False,
        "augment": ("flip", "crop:2"),
        "start": "a b",
        "normalize": False,
    }
    written = as_given(values)
    assert written == [
        "--learning-rate 0.5",
        "--no-fast",
        "--augment flip,crop:2",
        "--from 'a b'",
        "--no-normalize",
    ]

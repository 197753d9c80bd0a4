"""The runs of the notes, trained small: what is read from the runs, what is refused, and how it is gone on with."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from convnets.data.sources import load_data
from convnets.errors import ConfigError, RunError, TrainingError, UnknownNameError, UsageError
from convnets.recipes.catalogue import get_recipe
from convnets.recipes.published import PUBLISHED
from convnets.recipes.reproduce import reproduce
from convnets.recipes.reproduction import NetworkResult, Reproduction, RunResult, read_reproduction
from convnets.recipes.reproduction_chart import reproduction_figure, reproduction_svg
from convnets.recipes.reproduction_plan import plan_runs
from convnets.recipes.reproduction_text import (
    accuracy_table,
    conditions,
    markdown,
    speed_table,
    terminal_text,
)
from convnets.training.events import EpochStarted, Event, StepEnded
from convnets.training.learner import Learner
from convnets.training.runs.run import Run

# the notes' loss, training and test accuracy, images/s; the book's min, median, max and images/s on a V100
FIGURES: dict[str, tuple[tuple[float, ...] | None, list[tuple[float, ...]]]] = {
    "lenet": (None, [(0.761, 0.802, 0.826, 87713)]),
    "lenet_bn": ((0.264, 0.902, 0.830, 19297), [(0.682, 0.873, 0.894, 36013), (0.518, 0.853, 0.892, 62895)]),
    "alexnet_d2l": (None, [(0.847, 0.880, 0.885, 4110)]),
    "vgg11_quarter": ((0.177, 0.933, 0.911, 679), [(0.906, 0.918, 0.924, 2535)]),
    "nin": (None, [(0.100, 0.843, 0.875, 3167)]),
    "googlenet": ((0.256, 0.903, 0.886, 1072), [(0.854, 0.890, 0.902, 3351)]),
    "resnet18_d2l": ((0.010, 0.998, 0.915, 1534), [(0.669, 0.910, 0.924, 4626)]),
    "densenet_d2l": ((0.140, 0.950, 0.882, 5545), [(0.755, 0.890, 0.919, 5457)]),
}
SMALL: dict[str, Any] = {"epochs": 2, "data": "digits", "options": {"precision": "fp32"}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Reproduction:
    """Two seeds of two networks, not stopped; not to be changed."""
    output = tmp_path_factory.mktemp("whole") / "new"
    return reproduce(["lenet_bn", "lenet"], seeds=2, output=output, listeners=(), **SMALL)


@pytest.fixture
def result() -> Callable[..., NetworkResult]:
    """`result(network, *accuracies)`: runs that ended so, at full length on Fashion-MNIST."""

    def make(
        network: str, *accuracies: float, epochs: int = 10, data: str = "fashion-mnist"
    ) -> NetworkResult:
        config = replace(get_recipe(f"notes/{network}").config, epochs=epochs)
        runs = [
            RunResult(
                f"{network}-{seed}", seed, "finished", epochs, {}, 0.3, 0.9, accuracy, 2000.0, 1000.0, 60.0
            )
            for seed, accuracy in enumerate(accuracies)
        ]
        return NetworkResult(network, config, data, tuple(runs))

    return make


@pytest.mark.parametrize("network", FIGURES)
def test_published_figures(network: str) -> None:
    notes, book = FIGURES[network]
    found = PUBLISHED[network]
    ours = None if found.notes is None else tuple(vars(found.notes).values())
    assert ours == notes
    assert [(b.minimum, b.median, b.maximum, b.images_per_second) for b in found.book] == book
    expected = book[0][1] if notes is None else notes[2]
    assert get_recipe(f"notes/{network}").expected_accuracy == expected


def test_the_plan_is_all_eight_networks_over_the_seeds_of_each() -> None:
    plan = plan_runs()
    assert list(dict.fromkeys(run.network for run in plan)) == list(FIGURES)
    assert len(plan) == 10 + 10 + 6 * 3
    assert all(
        run.config == replace(get_recipe(f"notes/{run.network}").config, seed=run.seed) for run in plan
    )
    assert [run.name for run in plan_runs(["nin", "lenet", "nin"], seeds=[4, 2, 4])] == [
        *("nin-4", "nin-2", "lenet-4", "lenet-2")
    ]
    placed = plan_runs("nin", seeds=1, epochs=3, options={"device": "cpu", "threads": 1})[0].config
    assert (placed.epochs, placed.device, placed.threads, placed.learning_rate) == (3, "cpu", 1, 0.1)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"networks": "lenetbn"}, UnknownNameError, "'lenetbn'; nearest: lenet_bn"),
        ({"networks": "resnet18"}, UnknownNameError, "nearest: resnet18_d2l"),
        ({"networks": []}, UsageError, "no networks to reproduce; give some of lenet"),
        ({"seeds": 0}, ConfigError, "seeds is 0; allowed: 1 or more"),
        ({"seeds": []}, ConfigError, "seeds is empty; give at least one"),
        ({"seeds": [-1]}, ConfigError, "seed is -1; allowed: 0 to"),
        ({"epochs": 0}, ConfigError, "epochs is 0; allowed: 1 to"),
        (
            {"options": {"learning_rate": 1.0}},
            UnknownNameError,
            "'learning_rate'.*the others are the recipe's",
        ),
    ],
)
def test_a_plan_that_cannot_be(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        plan_runs(**arguments)


def test_figures_are_those_of_the_runs_own_files(whole: Reproduction) -> None:
    assert [each.network for each in whole.networks] == ["lenet", "lenet_bn"]
    digits = load_data("digits").test
    assert digits is not None
    for each in whole.networks:
        expected: dict[str, list[float]] = {name: [] for name in ("loss", "train", "test", "steps", "wall")}
        for seed in (0, 1):
            path = whole.output / "runs" / f"{each.network}-{seed}"
            with (path / "metrics.csv").open(newline="") as file:
                rows = [
                    {key: float(cell) for key, cell in row.items() if cell} for row in csv.DictReader(file)
                ]
            assert len(rows) == 2
            expected["loss"].append(rows[-1]["train_loss"])
            expected["train"].append(rows[-1]["train_accuracy"])
            model = Run(path).load()
            with torch.no_grad():
                hits = model.network.eval()(model.preprocess(digits.pixels)).argmax(1) == digits.labels
            expected["test"].append(hits.double().mean().item())
            # 1,437 images an epoch, and the seconds that each measure counts
            expected["wall"].append(2 * 1437 / sum(row["seconds"] for row in rows))
            expected["steps"].append(2 * 1437 / sum(1437 / row["images_per_second"] for row in rows))
        pairs = {
            "loss": "loss",
            "train_accuracy": "train",
            "test_accuracy": "test",
            "images_per_second": "steps",
            "images_per_second_wall": "wall",
        }
        for figure, name in pairs.items():
            spread, values = each.spread(figure), np.array(expected[name])
            assert spread is not None
            # a row reads its clock twice, for its seconds and for its speed
            rel = 1e-2 if figure.startswith("images") else 1e-6
            assert spread.values == pytest.approx(values, rel=rel), figure
            own = np.array(spread.values)
            assert spread.mean == pytest.approx(own.mean(), rel=1e-12)
            assert spread.median == pytest.approx(np.median(own), rel=1e-12)
            assert spread.standard_deviation == pytest.approx(own.std(ddof=1), rel=1e-9, abs=1e-12)


def test_what_is_written(whole: Reproduction) -> None:
    names = ["reproduction.json", "reproduction.md", "reproduction.png", "reproduction.svg", "runs"]
    assert sorted(path.name for path in whole.output.iterdir()) == names
    written = json.loads((whole.output / "reproduction.json").read_text())
    assert written == json.loads(json.dumps(whole.to_dict()))
    assert [each["network"] for each in written["networks"]] == ["lenet", "lenet_bn"]
    first = written["networks"][0]
    assert (first["epochs"], first["recipe_epochs"], first["full_length"], first["seeds"]) == (
        2,
        10,
        False,
        2,
    )
    assert first["data"] == "digits"
    assert first["within"] == [None]
    assert written["environments"][0]["runs"] == ["lenet-0", "lenet-1", "lenet_bn-0", "lenet_bn-1"]
    assert (whole.output / "reproduction.md").read_text() == markdown(whole)
    assert (whole.output / "reproduction.svg").read_text() == reproduction_svg(whole)
    assert (whole.output / "reproduction.png").read_bytes()[:4] == b"\x89PNG"


def test_everything_is_there_already(whole: Reproduction) -> None:
    heard: list[Event] = []
    before = {path: path.stat().st_mtime_ns for path in (whole.output / "runs").rglob("*")}
    again = reproduce(
        ["lenet", "lenet_bn"], seeds=2, output=whole.output, go_on=True, listeners=[heard.append], **SMALL
    )
    assert heard == []
    assert again == whole
    assert {path: path.stat().st_mtime_ns for path in (whole.output / "runs").rglob("*")} == before


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "holds a reproduction; continue it with --resume"),
        (
            {"go_on": True, "epochs": 3},
            r"lenet_bn-0 was trained with epochs 2, and now it is 3; .*another --output",
        ),
        ({"go_on": True, "seeds": [7], "epochs": 3}, "lenet_bn-0 was trained with epochs 2"),
        (
            {"go_on": True, "options": {"precision": "bf16"}},
            "trained with precision 'fp32', and now it is 'bf16'",
        ),
        (
            {"go_on": True, "data": "fashion-mnist"},
            "trained with data name 'digits', and now it is 'fashion-mnist'",
        ),
    ],
)
def test_a_folder_that_will_not_do(whole: Reproduction, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(RunError, match=words):
        reproduce("lenet_bn", **{"seeds": 2, "output": whole.output, "listeners": (), **SMALL, **changed})


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("kept")
    for go_on in (False, True):
        with pytest.raises(RunError, match="holds other files and no reproduction; choose another --output"):
            reproduce("lenet", output=tmp_path, go_on=go_on)
    with pytest.raises(RunError, match=r"thesis\.tex is a file; choose another output"):
        reproduce("lenet", output=tmp_path / "thesis.tex")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thesis.tex"]


def test_several_processes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="2 processes would train the same runs; start one"):
        reproduce("lenet", output=tmp_path)


def weights(output: Path, name: str) -> str:
    return hashlib.sha256((output / "runs" / name / "model" / "model.safetensors").read_bytes()).hexdigest()


def test_stopped_and_gone_on_with_it_is_the_same(whole: Reproduction, tmp_path: Path) -> None:
    """Stopped in the middle of the second run, and once more in the third."""
    for place in ("lenet_bn-1", "lenet-0"):
        run = ""

        def stop(event: Event, place: str = place) -> None:
            nonlocal run
            run = event.run if hasattr(event, "run") else run
            if Path(run).name == place and isinstance(event, EpochStarted):
                raise KeyboardInterrupt

        stopped = reproduce(
            ["lenet_bn", "lenet"], seeds=2, output=tmp_path, go_on=True, listeners=[stop], **SMALL
        )
        assert stopped.stopped == "interrupted"
        assert [run.name for run in stopped.runs if not run.ended] == [place]
        assert "Not in the figures: " + place in "\n".join(conditions(stopped))
        assert (tmp_path / "reproduction.md").is_file()
    ended = reproduce(["lenet_bn", "lenet"], seeds=2, output=tmp_path, go_on=True, listeners=(), **SMALL)
    assert ended.stopped is None
    for name in ("lenet-0", "lenet-1", "lenet_bn-0", "lenet_bn-1"):
        assert weights(tmp_path, name) == weights(whole.output, name), name
    for ours, theirs in zip(ended.networks, whole.networks, strict=True):
        for figure in ("loss", "train_accuracy", "test_accuracy"):
            assert ours.spread(figure) == theirs.spread(figure)


def test_asked_to_end_before_there_is_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("convnets.training.task.load_data", load)
    found = reproduce("lenet", seeds=1, output=tmp_path / "new", listeners=(), **SMALL)
    assert (found.stopped, found.networks) == ("interrupted", ())
    assert not (tmp_path / "new").exists()
    assert terminal_text(found) == ""


@pytest.mark.skipif(os.name != "posix", reason="signals are others there")
def test_terminated_is_not_interrupted(tmp_path: Path) -> None:
    def terminate(event: Event) -> None:
        if isinstance(event, StepEnded):
            os.kill(os.getpid(), signal.SIGTERM)

    found = reproduce("lenet", seeds=2, output=tmp_path, listeners=[terminate], **SMALL)
    assert found.stopped == "terminated"
    assert [run.name for run in found.runs] == ["lenet-0"]


def test_a_run_that_fails_does_not_take_the_others_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Learner.step

    def fail(learner: Learner, *arguments: Any) -> None:
        if learner.config.seed == 0:
            raise TrainingError("loss is nan at step 1; lower --learning-rate")
        step(learner, *arguments)

    monkeypatch.setattr(Learner, "step", fail)
    found = reproduce("lenet", seeds=2, output=tmp_path, listeners=(), **SMALL)
    assert [run.status for run in found.runs] == [
        "failed: loss is nan at step 1; lower --learning-rate",
        "finished",
    ]
    assert [run.name for run in found.failed] == ["lenet-0"]
    assert len(found.networks[0].ended) == 1
    assert "lenet-0 (failed: loss is nan at step 1" in markdown(found)


def test_runs_of_one_network_that_differ_are_named(whole: Reproduction, tmp_path: Path) -> None:
    for seed, epochs in ((0, 1), (1, 2)):
        reproduce(
            "lenet",
            seeds=[seed],
            epochs=epochs,
            data="digits",
            output=tmp_path / str(seed),
            listeners=(),
        )
    (tmp_path / "1" / "runs" / "lenet-1").rename(tmp_path / "0" / "runs" / "lenet-1")
    with pytest.raises(RunError, match="lenet-1 was trained with epochs 2, and now it is 1"):
        read_reproduction(tmp_path / "0")


def test_a_run_without_its_metrics_is_named(tmp_path: Path) -> None:
    reproduce("lenet", seeds=1, epochs=1, data="digits", output=tmp_path, listeners=())
    Run(tmp_path / "runs" / "lenet-0").write_metrics([])
    with pytest.raises(RunError, match=r"lenet-0 has ended and its metrics\.csv is empty"):
        read_reproduction(tmp_path)


@pytest.mark.parametrize(
    ("network", "accuracies", "more", "within"),
    [
        ("lenet", (0.761,), {}, [True]),
        ("lenet", (0.826,), {}, [True]),
        ("lenet", (0.7605,), {}, [False]),
        ("lenet", (0.8265,), {}, [False]),
        ("lenet", (0.70, 0.90), {}, [True]),  # the mean, not each
        ("lenet_bn", (0.60,), {}, [False, True]),
        ("lenet", (0.80,), {"epochs": 9}, [None]),
        ("lenet", (0.80,), {"data": "digits"}, [None]),
        ("lenet_bn", (), {}, [None, None]),
    ],
)
def test_within_the_books_range(
    result: Callable[..., NetworkResult],
    network: str,
    accuracies: tuple[float, ...],
    more: dict[str, Any],
    within: list[bool | None],
) -> None:
    assert result(network, *accuracies, **more).within() == within


def test_tables(result: Callable[..., NetworkResult], tmp_path: Path) -> None:
    found = Reproduction(
        tmp_path, (result("lenet", 0.80), result("lenet_bn", 0.84, 0.86), result("nin", 0.5, 0.6, epochs=4))
    )
    header, rows = accuracy_table(found)
    lenet, lenet_bn, nin = (dict(zip(header, row, strict=True)) for row in rows)
    assert (lenet["seeds"], lenet["test acc"], lenet["min–max"]) == ("1", "0.800", "0.800–0.800")
    assert (lenet["epochs"], lenet["notes: loss, train, test"], lenet["mean within"]) == ("10", "–", "yes")
    assert lenet_bn["test acc"] == "0.850 ± 0.014"
    assert lenet_bn["notes: loss, train, test"] == "0.264, 0.902, 0.830"
    assert lenet_bn["book: min / median / max"] == (
        "0.682 / 0.873 / 0.894 (from scratch); 0.518 / 0.853 / 0.892 (built in)"
    )
    assert lenet_bn["mean within"] == "yes; yes"
    assert (nin["epochs"], nin["mean within"]) == ("4 of 10", "–")
    assert speed_table(found)[1][1] == (
        *("lenet_bn", "2,000", "1,000", "60 s", "19,297", "36,013 (from scratch); 62,895 (built in)"),
    )
    lines = markdown(found).splitlines()
    assert {line.count("|") for line in lines if line.startswith("| ")} == {14, 7}
    assert "Not to be set against the published figures: nin 4 of 10 epochs." in "\n".join(lines)
    assert max(map(len, terminal_text(found).splitlines())) <= 125


def test_the_chart(result: Callable[..., NetworkResult], tmp_path: Path) -> None:
    networks = (result("lenet", 0.79, 0.81), result("nin", 0.85), result("vgg11_quarter", 0.8, epochs=1))
    found = Reproduction(tmp_path, networks)
    axes = reproduction_figure(found).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        *("lenet", "nin", "vgg11_quarter\n1 of 10 epochs")
    ]
    dots = {float(line.get_ydata()[0]): line for line in axes.lines if line.get_marker() == "o"}  # type: ignore[index,arg-type]
    assert [list(map(float, dots[y].get_xdata())) for y in (0.0, 1.0, 2.0)] == [[0.79, 0.81], [0.85], [0.8]]  # type: ignore[arg-type]
    assert dots[2.0].get_markerfacecolor() == "white"
    assert dots[0.0].get_markerfacecolor() != "white"
    diamonds = [line for line in axes.lines if line.get_marker() == "D"]
    assert [(float(d.get_xdata()[0]), float(d.get_ydata()[0])) for d in diamonds] == [(0.911, 2.0)]  # type: ignore[index,arg-type]
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]  # type: ignore[attr-defined]
    assert np.allclose(bars, [(0.761, 0.826), (0.6, 0.875), (0.906, 0.924)])
    svg = reproduction_svg(found)
    for words in ("◂ 0.100", "0.800 ± 0.014", "(n = 2)", "the notes", "ours, other epochs or data"):
        assert words in svg
    stuck = Reproduction(tmp_path, (result("nin", 0.1),))
    assert math.isclose(reproduction_figure(stuck).axes[0].get_xlim()[0], 0.0)
    with pytest.raises(ValueError, match="no run has ended"):
        reproduction_figure(Reproduction(tmp_path, ()))


def test_runs_of_several_machines_are_named_in_short(
    result: Callable[..., NetworkResult], tmp_path: Path
) -> None:
    networks = (result("lenet", *[0.8] * 4), result("nin", 0.5), result("densenet_d2l", 0.8, 0.85, 0.9))
    elsewhere = {"densenet_d2l": {0: 1, 2: 1}, "nin": {0: 1}}
    networks = tuple(
        replace(
            each,
            runs=tuple(
                replace(run, environment={"cores": elsewhere.get(each.network, {}).get(run.seed, 2)})
                for run in each.runs
            ),
        )
        for each in networks
    )
    first, second = [line for line in conditions(Reproduction(tmp_path, networks)) if " core" in line]
    assert first.startswith("lenet (seeds 0 to 3), densenet_d2l (seed 1): ")
    assert "2 cores;" in first
    assert second.startswith("nin (seed 0), densenet_d2l (seeds 0, 2): ")
    assert "1 core;" in second

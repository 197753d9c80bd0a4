"""Pictures show the trials that there were, and importance is that of the closed form."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from convnets.errors import RunError
from convnets.selection.search.found import Search, Tried
from convnets.selection.search.importance import importances
from convnets.selection.search.pictures import search_figures
from convnets.selection.search.space import Choice, Range, Space
from convnets.training.config import TrainConfig

SPACE: Space = {"x": Range(0, 1), "rate": Range(1e-3, 1, log=True), "augment": Choice(("", "flip,crop:1"))}


def made(trials: int, against: str | None = None) -> Search:
    """Accuracy is 0.5 + 0.3 x + 0.1 for one of the two choices; what it costs is a number of its own."""
    generator = random.Random(0)
    tried = []
    for number in range(trials):
        options: dict[str, Any] = {
            "x": generator.random(),
            "rate": 10 ** -(3 * generator.random()),
            "augment": generator.choice(["", "flip,crop:1"]),
        }
        accuracy = 0.5 + 0.3 * options["x"] + 0.1 * bool(options["augment"])
        tried.append(Tried(number, accuracy, options, 1e5 * 10 ** generator.random() if against else None))
    settings = {
        "network": "mlp",
        "options": TrainConfig().to_dict(),
        "argument_names": [],
        "against": against,
    }
    return Search(Path("made"), settings, tuple(tried), space=SPACE)


def test_importance_is_the_share_of_the_variance() -> None:
    shares = importances(made(250))
    of_x, of_choice = 0.3**2 / 12, 0.1**2 / 4  # variances of a uniform number and of a fair coin
    assert shares["x"] == pytest.approx(of_x / (of_x + of_choice), abs=0.06)
    assert shares["augment"] == pytest.approx(of_choice / (of_x + of_choice), abs=0.06)
    assert shares["rate"] < 0.03
    assert sum(shares.values()) == pytest.approx(1)
    assert importances(made(1)) == {"x": 0, "rate": 0, "augment": 0}


def test_each_picture_shows_the_trials(tmp_path: Path) -> None:
    found = made(20, "macs")
    figures = search_figures(found)
    assert list(figures) == ["history", "importance", "slices", "parallel", "front"]
    trials, best = figures["history"].axes[0].lines
    accuracies = [each.accuracy or 0 for each in found.tried]
    assert list(trials.get_ydata()) == accuracies  # type: ignore[arg-type]
    assert list(best.get_ydata()) == [max(accuracies[: n + 1]) for n in range(20)]  # type: ignore[arg-type]
    assert len(figures["parallel"].axes[0].lines) == 20 + len(SPACE)  # and the axes themselves
    assert [len(axes.lines) for axes in figures["slices"].axes[:3]] == [2, 2, 2]
    front = figures["front"].axes[0].lines[-1]
    assert list(front.get_ydata()) == [each.accuracy for each in found.front]  # type: ignore[arg-type]
    for name, figure in figures.items():
        figure.savefig(tmp_path / f"{name}.png")
    for figure in search_figures(made(1)).values():  # a single trial can be drawn too
        figure.savefig(tmp_path / "one.png")
    assert "front" not in search_figures(made(2))


def test_nothing_to_draw_is_said() -> None:
    with pytest.raises(RunError, match="no trial has ended"):
        search_figures(made(0))


def test_the_command_draws_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from convnets.cli.main import run

    own = ["tune", "softmax", "--trials", "2", "--epochs", "1", "--threads", "1", "-o", str(tmp_path)]
    with pytest.raises(SystemExit) as ended:
        run([*own, "--against", "parameters", "--pictures", str(tmp_path / "drawn"), "--json"])
    assert ended.value.code == 0
    assert '"front": [' in capsys.readouterr().out
    assert len(list((tmp_path / "drawn").glob("*.png"))) == 5

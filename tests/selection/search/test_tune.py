"""A search chooses by validation images alone, and what it exports is a configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convnets.data.image_set import Splits
from convnets.data.sources import load_data
from convnets.errors import ConfigError, RunError, UnknownNameError
from convnets.selection.search.space import Choice, Range, default_space, space_from_toml
from convnets.selection.search.tune import tune
from convnets.training.config import TrainConfig
from convnets.training.options.toml_file import options_and_arguments
from convnets.training.runs.run import Run

SPACE = {"learning_rate": Range(1e-6, 0.1, log=True), "batch_size": Choice((32, 64))}
CONFIG = TrainConfig(epochs=2, threads=1, precision="fp32")


def test_the_best_is_that_of_the_runs_and_test_images_are_not_there(tmp_path: Path) -> None:
    data = load_data("digits")

    class Untouchable:
        classes = data.classes

        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"{name} of the test images")

    splits = Splits(data.train, None, Untouchable())  # type: ignore[arg-type]
    found = tune("softmax", splits, CONFIG, trials=3, space=SPACE, output=tmp_path, name="s", pruner="median")
    runs = {each.number: Run(tmp_path / f"s/trials/trial{each.number}") for each in found.tried}
    for each in found.tried:
        config = runs[each.number].config
        assert {key: getattr(config, key) for key in SPACE} == each.options
        assert each.accuracy == runs[each.number].results["validation"]["accuracy"]
        assert "test" not in runs[each.number].results
    assert found.best.accuracy == max(each.accuracy or 0 for each in found.tried)
    exported = TrainConfig.from_toml(tmp_path / "s/best.toml")
    assert exported == runs[found.best.number].config
    with pytest.raises(RunError, match="holds another run"):
        tune("softmax", splits, CONFIG, space=SPACE, output=tmp_path, name="s")
    with pytest.raises(RunError, match="was begun with other options"):
        tune("softmax", splits, TrainConfig(), space=SPACE, output=tmp_path, name="s", go_on=True)
    more = tune("softmax", splits, CONFIG, trials=4, space=SPACE, output=tmp_path, name="s", go_on=True)
    assert [each.number for each in more.tried] == [0, 1, 2, 3]
    assert more.tried[:3] == found.tried


def test_arguments_of_the_network_are_tried_too(tmp_path: Path) -> None:
    assert "dropout" in default_space("alexnet")
    space = {"widths": Choice(("x",))}
    with pytest.raises(ConfigError):
        tune("speednet", "digits", CONFIG, trials=1, space=space, output=tmp_path)  # type: ignore[arg-type]


def test_width_and_the_strength_of_augmentation_are_tried(tmp_path: Path) -> None:
    assert default_space("lenet_bn")["width"] == Choice((0.5, 1.0, 2.0))
    assert "width" not in default_space("resnet18")
    space = {"width": Choice((0.25,)), "augment": Choice(("crop:1",)), "augment_strength": Choice((2.0,))}
    found = tune("mlp", "digits", CONFIG, trials=1, space=space, output=tmp_path, name="w")
    run = Run(tmp_path / "w/trials/trial0")
    assert run.settings["network"]["parameters"] == 784 * 64 + 64 + 64 * 10 + 10  # 256 / 4 units
    assert run.config.augment == ("crop:2",)
    assert found.best.options == {"width": 0.25, "augment": "crop:1", "augment_strength": 2.0}
    options, arguments = options_and_arguments(tmp_path / "w/best.toml")
    assert TrainConfig.from_dict(options) == run.config
    assert arguments == {"width": 0.25}
    with pytest.raises(ConfigError, match="has the network's arguments too"):
        TrainConfig.from_toml(tmp_path / "w/best.toml")
    without = {"augment_strength": Choice((2.0,)), "width": Choice((0.25,))}
    assert (
        "augment_strength"
        not in tune("mlp", "digits", CONFIG, trials=1, space=without, output=tmp_path, name="n").best.options
    )


def test_a_space_from_toml(tmp_path: Path) -> None:
    path = tmp_path / "space.toml"
    path.write_text(
        "[space]\nbatch_size = [32]\naugment = false\nlearning_rate = { low = 1, high = 2, points = 5 }\n"
    )
    found = space_from_toml(path, "lenet_bn", default_space("lenet_bn"))
    assert found["batch_size"] == Choice((32,))
    assert found["learning_rate"] == Range(1, 2, points=5)
    assert "augment" not in found
    for text in (
        "[space]\nlearning_rate = 3\n",
        "[space]\nlearning_rate = { low = 2, high = 1 }\n",
        "x = 1\n",
    ):
        path.write_text(text)
        with pytest.raises(ConfigError):
            space_from_toml(path, "lenet_bn", {})
    path.write_text("[space]\nlearning_rat = [1]\n")
    with pytest.raises(UnknownNameError, match="nearest: learning_rate"):
        space_from_toml(path, "lenet_bn", {})


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown sampler"):
        tune("mlp", "digits", sampler="gird")
    with pytest.raises(UnknownNameError, match="unknown pruner"):
        tune("mlp", "digits", pruner="asha")
    with pytest.raises(ConfigError, match="trials is 0"):
        tune("mlp", "digits", trials=0)
    with pytest.raises(ConfigError, match="chooses by validation accuracy"):
        tune("mlp", "digits", TrainConfig(validation=0))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from convnets.cli.main import run

    command: Callable[..., Any] = run
    own = ["tune", "softmax", "--trials", "2", "--epochs", "1", "--threads", "1", "-q", "-o", str(tmp_path)]
    with pytest.raises(SystemExit) as ended:
        command([*own, "--export", str(tmp_path / "best.toml"), "--learning-rate", "0.01"])
    assert ended.value.code == 0
    assert "2 trials" in capsys.readouterr().out
    assert TrainConfig.from_toml(tmp_path / "best.toml").learning_rate == 0.01


def test_what_is_exported_trains_the_same_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from convnets.cli.main import run

    command: Callable[..., Any] = run
    recipe, space = tmp_path / "recipe.toml", tmp_path / "space.toml"
    space.write_text("[space]\nwidth = [0.125]\nlearning_rate = [0.02]\naugment_strength = false\n")
    short = ["--epochs", "1", "--threads", "1", "-q", "-o", str(tmp_path)]
    for line in (
        [
            "tune",
            "mlp",
            "--trials",
            "1",
            *short,
            "--space",
            str(space),
            "--export",
            str(recipe),
            "--name",
            "s",
        ],
        ["train", "mlp", *short, "--config", str(recipe), "--name", "again"],
        ["replicate", "mlp", *short, "--config", str(recipe), "--seeds", "2", "--name", "more"],
        ["tune", "mlp", "--trials", "1", *short, "--config", str(recipe), "--name", "narrow"],
    ):
        with pytest.raises(SystemExit) as ended:
            command(line)
        assert ended.value.code == 0, capsys.readouterr().err
    folders = ["s/trials/trial0", "again", "more/seed0", "narrow/trials/trial0"]
    sizes = {Run(tmp_path / each).settings["network"]["parameters"] for each in folders}
    assert sizes == {784 * 32 + 32 + 32 * 10 + 10}
    first, again = Run(tmp_path / "s/trials/trial0"), Run(tmp_path / "again")
    assert first.results["validation"] == again.results["validation"]
    capsys.readouterr()
    recipe.write_text("arguments = 3\n")
    with pytest.raises(SystemExit) as ended:
        command(["train", "mlp", *short, "--config", str(recipe)])
    assert ended.value.code == 2
    assert "allowed: a table, [arguments]" in capsys.readouterr().err
    recipe.write_text("[arguments]\nwidht = 3\n")
    with pytest.raises(SystemExit) as ended:
        command(["train", "mlp", *short, "--config", str(recipe)])
    assert "mlp has no option 'widht'" in capsys.readouterr().err

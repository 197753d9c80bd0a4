"""Older formats are read, and a model that is replaced is the old one or the new one at every moment."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from convnets.checkpoints import migration
from convnets.checkpoints.model_folder import FORMAT_VERSION, TrainedModel, load_model, save_model
from convnets.checkpoints.weights_file import read_tensors
from convnets.data.preprocess import Preprocess
from convnets.models.catalogue import create_model

RELEASED = sorted((Path(__file__).parents[1] / "fixtures" / "models").iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    network = create_model("softmax", in_channels=1, num_classes=3, input_size=2, seed=1)
    return save_model(tmp_path / "model", TrainedModel(network, ("a", "b", "c"), Preprocess.plain(1, 2)))


@pytest.mark.parametrize("released", RELEASED, ids=lambda path: path.name)
def test_every_released_format_gives_the_same_logits(released: Path) -> None:
    model = load_model(released / "model")
    expected = json.loads((released / "expected.json").read_text())["logits"]
    images = torch.linspace(-1, 1, 2 * 144).reshape(2, 1, 12, 12)
    with torch.inference_mode():
        torch.testing.assert_close(model.network(images), torch.tensor(expected), rtol=1e-5, atol=1e-6)
    assert model.classes == ("cat", "dog", "Käfer")
    assert model.preprocess == Preprocess(1, 12, 14, (0.25,), (0.5,))
    assert model.metrics["test"]["accuracy"] == 0.75


def test_there_is_a_fixture_and_a_way_from_every_released_format() -> None:
    assert [path.name for path in RELEASED] == [f"format_{n}" for n in range(1, FORMAT_VERSION + 1)]
    assert sorted(migration.MIGRATIONS) == list(range(1, FORMAT_VERSION))


def test_migrations_run_one_after_another(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def renamed(config: dict[str, Any]) -> dict[str, Any]:
        return {**{k: v for k, v in config.items() if k != "labels"}, "classes": config["labels"]}

    monkeypatch.setattr(migration, "FORMAT_VERSION", 4)
    monkeypatch.setattr(
        migration, "MIGRATIONS", {1: lambda c: {**c, "old": 1}, 2: renamed, 3: lambda c: {**c, "new": 1}}
    )
    old = {"format_version": 1, "labels": ["x"]}
    assert migration.migrate(old) == {"format_version": 4, "classes": ["x"], "old": 1, "new": 1}
    assert old == {"format_version": 1, "labels": ["x"]}


class Killed(BaseException):
    """Stands for SIGKILL: nothing that the program does on the way out counts."""


def _writes(monkeypatch: pytest.MonkeyPatch, last: int) -> Callable[[], int]:
    """Let `last` renames happen and die at the next; returns how many there were."""
    replace, count = Path.replace, 0

    def dying(self: Path, target: Path) -> Path:
        nonlocal count
        if count == last:
            raise Killed
        count += 1
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", dying)
    return lambda: count


@pytest.mark.parametrize("survived", range(4))
def test_a_save_that_is_killed_leaves_the_old_model_or_the_new(
    folder: Path, survived: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new model, other classes and weights, is saved over an old one and killed between any two renames."""
    new = create_model("mlp", in_channels=1, num_classes=2, input_size=2, seed=2)
    with monkeypatch.context() as patch:
        renames = _writes(patch, survived)
        try:
            save_model(folder, TrainedModel(new, ("x", "y"), Preprocess.plain(1, 2)))
        except Killed:
            assert survived < 3
        assert renames() == min(survived, 3)
    found = load_model(folder)
    assert found.classes == (("a", "b", "c") if survived < 2 else ("x", "y"))
    # and the next save works whatever was left behind
    save_model(folder, TrainedModel(new, ("y", "x"), Preprocess.plain(1, 2)))
    assert load_model(folder).classes == ("y", "x")
    assert "before" not in json.loads((folder / "config.json").read_text())


def test_weights_are_told_apart_by_content_where_old_and_new_have_one_size(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = create_model("softmax", in_channels=1, num_classes=3, input_size=2, seed=9)
    old = load_model(folder).network.state_dict()
    with monkeypatch.context() as patch:
        _writes(patch, 1)
        with pytest.raises(Killed):
            save_model(folder, TrainedModel(new, ("x", "y", "z"), Preprocess.plain(1, 2)))
    found = load_model(folder)
    assert found.classes == ("a", "b", "c")
    assert all(torch.equal(old[name], value) for name, value in found.network.state_dict().items())


def test_a_model_that_is_replaced_while_it_is_read_is_read_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = create_model("softmax", in_channels=1, num_classes=3, input_size=2, seed=9)
    times = 0

    def racing(path: Path) -> dict[str, torch.Tensor]:
        nonlocal times
        times += 1
        if times == 1:
            save_model(folder, TrainedModel(new, ("x", "y", "z"), Preprocess.plain(1, 2)))
        return read_tensors(path)

    monkeypatch.setattr("convnets.checkpoints.model_folder.read_tensors", racing)
    assert load_model(folder).classes == ("x", "y", "z")
    assert times == 2

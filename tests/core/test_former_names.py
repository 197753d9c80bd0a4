"""Former names: what earlier versions wrote is read, and what their users typed still works."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from convnets import layers
from convnets.checkpoints.model_folder import TrainedModel, load_model
from convnets.cli.main import run as run_command
from convnets.core.former_names import current_names
from convnets.data import preprocess as preprocess_module
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, UnknownNameError
from convnets.inspection.parameters import changes
from convnets.models.catalogue import create_model
from convnets.retrieval.descriptors.descriptor import Descriptor
from convnets.retrieval.descriptors.embedder import Embedder
from convnets.selection.folds.cross_validate import cross_validate
from convnets.selection.search.space import Choice, space_from_toml
from convnets.selection.search.tune import tune
from convnets.training import config as config_module
from convnets.training.config import TrainConfig
from convnets.training.events import EpochEnded, Event, StopRun
from convnets.training.learner import Learner
from convnets.training.runs.run import Run
from convnets.training.train import resume, train

FORMER = {"optimizer": "optimiser", "initializer": "initialiser", "normalize": "normalise"}


def former(values: dict[str, object]) -> dict[str, object]:
    return {FORMER.get(key, key): value for key, value in values.items()}


def test_keywords_attributes_and_files_of_options(tmp_path: Path) -> None:
    config = TrainConfig(optimiser="sgd", initialiser="xavier-uniform", normalise=False)
    assert config == TrainConfig(optimizer="sgd", initializer="xavier-uniform", normalize=False)
    assert (config.optimiser, config.initialiser, config.normalise) == ("sgd", "xavier-uniform", False)  # type: ignore[attr-defined]
    (tmp_path / "a.toml").write_text('optimiser = "sgd"\nepochs = 3\n')
    assert TrainConfig.from_toml(tmp_path / "a.toml") == TrainConfig(optimizer="sgd", epochs=3)
    assert TrainConfig.from_dict(former(config.to_dict())) == config
    assert set(config.to_dict()).isdisjoint(FORMER.values())
    with pytest.raises(ConfigError, match="optimizer is given twice"):
        current_names({"optimiser": "sgd", "optimizer": "sgd"})
    with pytest.raises(UnknownNameError, match="optimizzer"):
        TrainConfig.from_dict({"optimizzer": "sgd"})


def test_functions_methods_and_descriptors() -> None:
    assert layers.initialise is layers.initialize
    assert layers.INITIALISERS is layers.INITIALIZERS
    assert changes.reinitialise is changes.reinitialize
    assert config_module.OPTIMISERS is config_module.OPTIMIZERS
    assert preprocess_module.centre_crop is preprocess_module.center_crop
    with pytest.raises(AttributeError, match="no attribute 'initialisers'"):
        layers.initialisers  # noqa: B018
    preprocess = Preprocess(1, 4, 4, (0.5,), (0.5,))
    pixels = torch.ones(1, 1, 4, 4)
    assert torch.equal(preprocess.normalise(pixels), preprocess.normalize(pixels))  # type: ignore[attr-defined]
    descriptor = Descriptor("features", "average", normalise=False)
    assert Descriptor.from_dict(former(descriptor.to_dict())) == descriptor
    assert descriptor.normalise is False  # type: ignore[attr-defined]


def test_an_index_whose_descriptor_was_written_by_an_earlier_version_is_known_again() -> None:
    model = TrainedModel(create_model("lenet", seed=0), tuple("0123456789"), Preprocess.plain(1, 28))
    embedder = Embedder(model)
    embedder.check({**embedder.identity(), "descriptor": former(embedder.identity()["descriptor"])}, "index")


def test_a_run_of_an_earlier_version_is_resumed_to_the_weights_of_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, EpochEnded):
            raise StopRun

    config = TrainConfig(epochs=3, optimizer="sgd", learning_rate=0.02, batch_size=64, threads=1)
    whole = train("mlp", "digits", config, output=tmp_path, name="whole", listeners=[])
    part = train("mlp", "digits", config, output=tmp_path, name="part", listeners=[stop])
    written = json.loads((part.path / "config.json").read_text())
    (part.path / "config.json").write_text(json.dumps({**written, "options": former(written["options"])}))
    load = Learner.load_state_dict
    monkeypatch.setattr(Learner, "load_state_dict", lambda learner, state: load(learner, former(state)))
    assert Run(part.path).config == config
    ended = resume(part.path, listeners=[])
    weights = [load_model(run.model_folder).network.state_dict() for run in (whole, ended)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_spellings_of_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (
        "train",
        "mlp",
        "--data",
        "digits",
        "--epochs",
        "1",
        "--optimiser",
        "sgd",
        "--no-normalise",
        "--initialiser",
        "xavier-uniform",
        "--out",
        str(tmp_path),
        "--name",
        "a",
    )
    with pytest.raises(SystemExit, match="0"):
        run_command(list(arguments))
    capsys.readouterr()
    options = json.loads((tmp_path / "a" / "config.json").read_text())["options"]
    assert (options["optimizer"], options["normalize"], options["initializer"]) == (
        "sgd",
        False,
        "xavier-uniform",
    )


def test_a_search_begun_by_an_earlier_version_goes_on(tmp_path: Path) -> None:
    def search(trials: int, *, go_on: bool = False) -> list[dict[str, object]]:
        space = {"initializer": Choice(("xavier-uniform", "kaiming-normal"))}
        found = tune(
            "softmax",
            "digits",
            TrainConfig(epochs=1, threads=1),
            trials=trials,
            space=dict(space),
            output=tmp_path,
            name="s",
            go_on=go_on,
        )
        return [each.options for each in found.tried]

    before = search(1)
    for file in (tmp_path / "s" / "search.json", tmp_path / "s" / "trials.journal"):
        text = file.read_text()
        for name, old in FORMER.items():
            text = text.replace(f'"{name}"', f'"{old}"')
        file.write_text(text)
    after = search(2, go_on=True)
    assert after[0] == before[0]
    assert [list(options) for options in after] == [["initializer"]] * 2


def test_a_cross_validation_begun_by_an_earlier_version_goes_on(tmp_path: Path) -> None:
    config = TrainConfig(epochs=1, threads=1)
    before = cross_validate("softmax", "digits", config, folds=2, output=tmp_path, name="c")
    for file in (tmp_path / "c").rglob("*.json"):
        if "options" in (written := json.loads(file.read_text())):
            file.write_text(json.dumps({**written, "options": former(written["options"])}))
    after = cross_validate("softmax", "digits", config, folds=2, output=tmp_path, name="c", go_on=True)
    assert after.accuracies == before.accuracies
    assert after.settings["options"] == config.to_dict()


def test_a_space_that_names_options_formerly(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text('[space]\ninitialiser = ["he-normal"]\n')
    assert space_from_toml(tmp_path / "s.toml", "softmax", {}) == {"initializer": Choice(("he-normal",))}

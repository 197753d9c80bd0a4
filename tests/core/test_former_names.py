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
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, UnknownNameError
from convnets.models.catalogue import create_model
from convnets.retrieval.descriptors.descriptor import Descriptor
from convnets.retrieval.descriptors.embedder import Embedder
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

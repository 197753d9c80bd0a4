"""Health of a name and of a run: the same network that training starts from and leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from convnets.errors import ConfigError, ModelFolderError, RunError, UnknownNameError, UsageError
from convnets.serving.health import examine_health
from convnets.training.config import TrainConfig
from convnets.training.recording.health import health_by_epoch
from convnets.training.runs.run import Run
from convnets.training.train import train


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = TrainConfig(
        epochs=1, threads=1, device="cpu", precision="fp32", health=True, validation=0, optimizer="sgd"
    )
    return train("lenet_bn", "digits", config, output=tmp_path_factory.mktemp("runs"), listeners=())


def test_a_name_is_measured_as_training_starts_it(run: Run) -> None:
    found = examine_health("lenet_bn", "digits", {"device": "cpu", "validation": 0})
    started = health_by_epoch(run)[0]
    assert found.loss == pytest.approx(started.loss)
    for own, other in zip(found.layers, started.layers, strict=True):
        assert own.name == other.name
        if own.gradient is not None:
            assert own.gradient == pytest.approx(other.gradient, rel=1e-4)
    assert found.step == "AdamW, learning rate 0.002"


def test_a_run_is_measured_with_its_own_data_and_optimizer(run: Run) -> None:
    found = examine_health(run.path)
    ended = health_by_epoch(run)[1]
    assert found.loss == pytest.approx(ended.loss, rel=1e-4)
    assert found.step == "SGD, learning rate 0.1"
    assert examine_health(run.path, options={"optimizer": "adamw"}).step == "AdamW, learning rate 0.002"
    with_data = examine_health(run.model_folder, "digits")
    assert with_data.layers[0].weight == pytest.approx(found.layers[0].weight)


def test_what_does_not_fit_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has its weights already; leave seed out"):
        examine_health(run.path, options={"seed": 3})
    with pytest.raises(UsageError, match="does not say which images it was trained on"):
        examine_health(run.model_folder)
    with pytest.raises(UnknownNameError, match="unknown network 'lenett'"):
        examine_health("lenett")
    with pytest.raises(ConfigError, match="images is 1; allowed: 2 or more"):
        examine_health("lenet", images=1)
    with pytest.raises((ModelFolderError, RunError)):
        examine_health(tmp_path)

"""The command line in this process, and a run and pictures for its commands to work on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from convnets.cli.main import run
from convnets.training.config import TrainConfig
from convnets.training.runs.run import Run
from convnets.training.train import train


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON document."""
        assert self.out, self.err
        return json.loads(self.out)


Command = Callable[..., Ended]


@pytest.fixture
def convnets(capsys: pytest.CaptureFixture[str]) -> Command:
    """`convnets(*arguments)` in this process."""

    def command(*arguments: object) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            run([str(argument) for argument in arguments])
        assert isinstance(exit_.value.code, int)
        return Ended(exit_.value.code, *capsys.readouterr())

    return command


@pytest.fixture
def refused(convnets: Command) -> Callable[..., str]:
    """`refused(status, *arguments)`: the one line on standard error, all that a refused command writes."""

    def refuse(status: int, *arguments: object) -> str:
        ended = convnets(*arguments)
        assert (ended.status, ended.out) == (status, ""), ended
        assert ended.err.startswith("convnets: error: ")
        assert ended.err.count("\n") == 1
        assert ended.err.endswith("\n")
        return ended.err.removeprefix("convnets: error: ").rstrip()

    return refuse


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What `train` was called with, in place of training."""
    calls: list[tuple[Any, ...]] = []

    class Done:
        status, path = "finished", "runs/x"

    def record(network: str, data: str, config: TrainConfig, **more: Any) -> Done:
        calls.append((network, data, config, more))
        return Done()

    monkeypatch.setattr("convnets.training.train.train", record)
    return calls


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run on digits; not to be changed."""
    config = TrainConfig(epochs=2, precision="fp32")
    return train("mlp", "digits", config, output=tmp_path_factory.mktemp("digits"), name="mine", listeners=())


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures, dark and light, of mixed sizes, in train/ and test/; not to be changed."""
    root = tmp_path_factory.mktemp("pictures")
    for part, count in (("train", 20), ("test", 4)):
        for name, gray in (("dark", 40), ("light", 220)):
            folder = root / part / name
            folder.mkdir(parents=True)
            for index in range(count):
                size = (20 + index, 40 - index)
                picture = Image.new("RGB", size, (gray + index % 5, gray, gray - index % 3))
                picture.save(folder / f"{index}.{'png' if index % 2 else 'jpg'}")
    return root


@pytest.fixture(scope="session")
def pictures_run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that tells dark from light; not to be changed."""
    config = TrainConfig(epochs=4, batch_size=8, learning_rate=0.01, size=8, precision="fp32")
    return train("softmax", pictures, config, output=tmp_path_factory.mktemp("run"), listeners=())

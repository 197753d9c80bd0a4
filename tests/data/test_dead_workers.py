"""A process that decodes images and dies: one line, the run can go on, and it goes on exactly."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from convnets.data.preprocess import Preprocess
from convnets.errors import DataError
from convnets.training.config import TrainConfig
from convnets.training.runs.run import Run
from convnets.training.train import resume, train

CONFIG = TrainConfig(
    epochs=2, batch_size=4, size=8, memory_limit=0.0, workers=2, precision="fp32", save_every="2"
)


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.usefixtures("forked_workers")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_the_run_ends_with_the_reason_and_goes_on_exactly(
    make_tree: Callable[..., Path],
    picture: Callable[..., bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    files = {
        f"{'ab'[index % 2]}/{index:02}.png": picture((8 * index, 99 * (index % 2), 0), (8, 8), format="PNG")
        for index in range(32)
    }
    photos, store, parent = make_tree(files), Preprocess.store, os.getpid()
    config = replace(CONFIG, validation=0.25)
    whole = train("softmax", photos, config, output=tmp_path / "runs", name="whole", listeners=())

    def dying(preprocess: Preprocess, image: object) -> object:
        if os.getpid() != parent and len(Run(tmp_path / "runs" / "killed").metrics) == 1:
            os.kill(os.getpid(), number)
        return store(preprocess, image)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Preprocess, "store", dying)
        with pytest.raises(
            DataError, match=r"a process that decodes images has died .*continue with --resume"
        ) as caught:
            train("softmax", photos, config, output=tmp_path / "runs", name="killed", listeners=())
    assert "\n" not in str(caught.value)
    run = Run(tmp_path / "runs" / "killed")
    assert run.status.startswith("failed: a process that decodes images has died")
    assert len(run.metrics) == 1
    resume(run, listeners=())
    files_of = [each.model_folder / "model.safetensors" for each in (run, whole)]
    assert files_of[0].read_bytes() == files_of[1].read_bytes()

"""Runs on a table and on a series that are killed in the middle of an epoch, and end at the same bits.

benchmarks/kills.py does this again and again at random moments.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from convnets.series.load_series import load_series
from convnets.tables.load_table import load_table
from convnets.training.config import TrainConfig
from convnets.training.runs.run import Run
from convnets.training.train import resume, train

pytestmark = pytest.mark.skipif(os.name != "posix", reason="forks and kills")

OPTIONS = "epochs=3, batch_size=16, threads=1, save_every='3', ema_decay=0.9, schedule='one-cycle'"
TABLE = f"TrainConfig({OPTIONS}, loss='log-rmse', bins=('Year=frequency:4',))"
SERIES = f"TrainConfig({OPTIONS}, augment=('jitter', 'scale'))"
ARGUMENTS = {"table": {"widths": [8], "dropout": 0.2, "batch_norm": True}, "series": {}}
NETWORKS = {"table": "mlp", "series": "resnet1d"}
# imported once, a child for each kind, which kills itself after a step between two saves
SCRIPT = f"""
import os, signal, sys
from convnets import TrainConfig, load_table
from convnets.series.load_series import load_series
from convnets.training.learner import Learner
from convnets.training.train import train
houses, tides, output = sys.argv[1:]
cases = {{"table": (lambda: load_table(houses, "SalePrice", drop=["Grade"]), {TABLE}),
         "series": (lambda: load_series(tides, "x", window=24, horizon=2), {SERIES})}}
step, steps = Learner.step, 0
def struck(*given, **named):
    global steps
    steps += 1
    if steps == 12:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(*given, **named)
for kind, (load, config) in cases.items():
    child = os.fork()
    if child == 0:
        Learner.step = struck
        train({NETWORKS}[kind], load(), config, output=output, name=kind, listeners=(),
              arguments={ARGUMENTS}[kind])
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, kind
"""


@pytest.fixture(scope="module")
def killed(houses: Path, tides: Path, tmp_path_factory: pytest.TempPathFactory, warm_python: Any) -> Path:
    """Two runs cut off."""
    output = tmp_path_factory.mktemp("killed")
    warm_python.run("-c", SCRIPT, *map(str, (houses, tides, output)), check=True)
    return output


@pytest.mark.parametrize("kind", ["table", "series"])
def test_what_was_killed_goes_on_to_the_same_bits(
    kind: str, killed: Path, houses: Path, tides: Path, tmp_path: Path
) -> None:
    cut_off = Run(killed / kind)
    assert cut_off.status == "cut off"
    examples = (
        load_table(houses, "SalePrice", drop=["Grade"])
        if kind == "table"
        else load_series(tides, "x", window=24, horizon=2)
    )
    config = eval(TABLE if kind == "table" else SERIES, {"TrainConfig": TrainConfig})
    whole = train(NETWORKS[kind], examples, config, output=tmp_path, arguments=ARGUMENTS[kind], listeners=())
    done = resume(cut_off, listeners=())  # from the file, as --resume does
    assert done.status == whole.status == "finished"
    ours, theirs = ((run.model_folder / "model.safetensors").read_bytes() for run in (whole, done))
    assert ours == theirs
    rows = [
        [{key: value for key, value in row.items() if "second" not in key} for row in run.metrics]
        for run in (whole, done)
    ]
    assert rows[0] == rows[1]

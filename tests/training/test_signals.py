"""Ctrl-C and SIGTERM in every phase of a run: saved, with the right exit code, no process left behind, exact later."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from convnets.training.runs.run import Run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and process groups")

# One process that imports once and forks for every case; each child is a process group of its own, as of a terminal.
SCRIPT = """
import json, os, signal, sys, time
from pathlib import Path
import convnets.training.execution as execution
import convnets.training.recording.run_report as run_report
import torch
from convnets.checkpoints.state_folder import StateFolder
from convnets.cli.main import run
from convnets.data.sources import load_data
from convnets.kernels.compiled import compiled_kernels
from convnets.training.learner import Learner
from convnets.training.recording.saver import Saver

root, found = Path(sys.argv[1]), {}
load_data("digits"), compiled_kernels(), torch.optim.AdamW([torch.zeros(1)])  # imported once, for all children
run_report.write_run_report = lambda run, *_: run.report
PHASES = {
    "step": (Learner, "step", 7),
    "first step": (Learner, "step", 1),
    "saving": (StateFolder, "save", 1),
    "validation": (execution, "evaluate_on", 1),
    "last validation": (execution, "evaluate_on", 2),
    "end of an epoch": (Saver, "epoch_ended", 1),
    "report": (run_report, "write_run_report", 1),
}

def strike(place, name, call, signals):
    original, calls = getattr(place, name), 0
    def struck(*given, **named):
        nonlocal calls
        calls += 1
        if calls == call:
            for number in signals:
                os.killpg(0, number)
                time.sleep(0.01)  # handled one by one
        return original(*given, **named)
    setattr(place, name, struck)

def convnets(case, *arguments, strikes=None):
    child = os.fork()
    if child == 0:
        os.setsid()
        errors = os.open(root / f"{case}.err", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(errors, 2)
        if strikes:
            strike(*PHASES[strikes[0]], strikes[1:])
        try:
            run([*arguments, "--quiet"])
        except SystemExit as exit_:
            os._exit(int(exit_.code or 0))
        finally:
            os._exit(99)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    until = time.monotonic() + 20  # a killed process's workers look for it every five seconds
    while time.monotonic() < until:
        try:
            os.killpg(child, 0)
        except ProcessLookupError:
            return status, False
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    return status, True

OPTIONS = "--epochs 2 --precision fp32 --save-every 3 --ema-decay 0.9 --threads 1".split()
DATA = {
    "memory": ["--data", "digits", "--batch-size", "256"],
    "files": ["--data", str(root / "photos"), "--batch-size", "8", "--size", "16", "--memory-limit", "0",
              "--workers", "2"],
}
for kind, data in DATA.items():
    start = ["train", "mlp", *OPTIONS, *data, "--output", str(root)]
    convnets(f"{kind} whole", *start, "--name", f"{kind} whole")
    for case in json.loads(sys.argv[2]).get(kind, []):
        name = f"{kind} {case[0]} {case[1:]}"
        status, orphans = convnets(name, *start, "--name", name, strikes=case)
        again = None if status == 0 else convnets(name, "train", "--resume", str(root / name))[0]
        found[name] = {"status": status, "orphans": orphans, "again": again}
print(json.dumps(found))
"""
SIGINT, SIGTERM, SIGKILL = 2, 15, 9
CASES: dict[str, list[tuple[list[Any], int]]] = {
    "memory": [
        (["first step", SIGINT], 130),
        (["first step", SIGTERM], 143),
        (["step", SIGINT], 130),
        (["step", SIGINT, SIGINT], 130),
        (["saving", SIGTERM], 143),
        (["validation", SIGINT], 130),
        (["validation", SIGTERM], 143),
        (["last validation", SIGTERM], 0),  # nothing is left to train: it comes to its end
        (["end of an epoch", SIGINT], 130),
        (["report", SIGTERM], 0),
        (["report", SIGINT, SIGINT], 130),
    ],
    "files": [
        (["step", SIGINT], 130),
        (["step", SIGTERM], 143),
        (["step", SIGINT, SIGINT], 130),
        (["step", SIGKILL], -9),
    ],
}
ALL = [(kind, case, status) for kind, cases in CASES.items() for case, status in cases]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of all runs, and how each case's process ended."""
    root = tmp_path_factory.mktemp("signals")
    generator = torch.Generator().manual_seed(0)
    for index in range(96):
        folder = root / "photos" / ("dark", "bright")[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = torch.randint(120, (16, 16, 3), dtype=torch.uint8, generator=generator) + 130 * (index % 2)
        Image.fromarray(pixels.numpy()).save(folder / f"{index:02}.png")
    cases = json.dumps({kind: [case for case, _ in cases] for kind, cases in CASES.items()})
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, root, cases], capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    return root, json.loads(done.stdout)


@pytest.mark.parametrize(("kind", "case", "status"), ALL, ids=[f"{kind} {case}" for kind, case, _ in ALL])
def test_a_signal_saves_the_run_and_it_goes_on_exactly(
    ended: tuple[Path, dict[str, Any]], kind: str, case: list[Any], status: int
) -> None:
    root, found = ended
    name = f"{kind} {case[0]} {case[1:]}"
    errors = (root / f"{name}.err").read_text()
    assert found[name]["status"] == status, errors
    assert not found[name]["orphans"]
    assert found[name]["again"] == (None if status == 0 else 0), errors
    said = {130: "convnets: interrupted\n", 143: "convnets: terminated\n"}.get(status, "")
    assert errors == said
    run = Run(root / name)
    assert run.status == "finished"
    assert weights(run) == weights(Run(root / f"{kind} whole"))
    assert [row["validation_loss"] for row in run.metrics] == [
        row["validation_loss"] for row in Run(root / f"{kind} whole").metrics
    ]


def weights(run: Run) -> str:
    return hashlib.sha256((run.model_folder / "model.safetensors").read_bytes()).hexdigest()

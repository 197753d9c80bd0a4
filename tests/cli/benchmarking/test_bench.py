"""`convnets bench`: what it measures by default, one real run, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

Command = Callable[..., Any]
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals are others there")
SMALL = (
    "--data",
    "digits",
    "--size",
    8,
    "--precision",
    "fp32",
    "--threads",
    1,
    "--rounds",
    1,
    "--seconds",
    0.05,
)


@pytest.fixture(autouse=True)
def _known_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "convnets.benchmarking.bench.measured_peaks", lambda *_: {"fp32": 100.0, "bf16": 200.0}
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, dict[str, Any]]]:
    """What `bench` was called with, in place of measuring."""
    calls: list[tuple[Any, dict[str, Any]]] = []

    class Nothing:
        def to_dict(self) -> dict[str, Any]:
            return {}

    def record(workloads: Any, **more: Any) -> Nothing:
        calls.append((workloads, more))
        return Nothing()

    monkeypatch.setattr("convnets.benchmarking.bench.bench", record)
    return calls


def test_the_networks_of_the_notes_as_the_notes_run_them(convnets: Command, asked: list[Any]) -> None:
    assert convnets("bench", "--json").status == 0
    workloads, settings = asked[0]
    found = {w.network: (w.size, w.batch_size, w.learning_rate) for w in workloads}
    assert found == {
        "lenet": (28, 256, 0.9),
        "lenet_bn": (28, 256, 1.0),
        "alexnet_d2l": (224, 128, 0.01),
        "vgg11_quarter": (224, 128, 0.05),
        "nin": (224, 128, 0.1),
        "googlenet": (96, 128, 0.1),
        "resnet18_d2l": (96, 256, 0.05),
        "densenet_d2l": (96, 256, 0.1),
        "resnet20": (28, 256, 0.1),
    }
    assert {w.data for w in workloads} == {"fashion-mnist"}
    assert (settings["baseline"], settings["inference"]) == (False, True)
    assert (settings["rounds"], settings["seconds"], settings["output"]) == (5, 3.0, None)


def test_options_go_through(convnets: Command, asked: list[Any], tmp_path: Path) -> None:
    options = ("--baseline", "--no-inference", "--rounds", 7, "--seconds", 0.5, "--output", tmp_path)
    more = ("--data", "digits", "--batch-size", 32, "--size", 64, "--threads", 1, "--precision", "bf16")
    convnets("bench", "vgg11", "lenet", "vgg11", *options, *more, "--device", "cpu", "--json")
    workloads, settings = asked[0]
    assert [(w.network, w.size, w.batch_size, w.learning_rate) for w in workloads] == [
        ("vgg11", 64, 32, 0.01),
        ("lenet", 64, 32, 0.9),
    ]
    assert {(w.data, w.device, w.precision, w.threads) for w in workloads} == {("digits", "cpu", "bf16", 1)}
    assert (settings["baseline"], settings["inference"], settings["rounds"]) == (True, False, 7)
    assert (settings["seconds"], settings["output"]) == (0.5, tmp_path)


def test_a_real_run(convnets: Command, tmp_path: Path) -> None:
    ended = convnets("bench", "softmax", *SMALL, "--no-inference", "--output", tmp_path / "out")
    assert (ended.status, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0] == "training"
    assert lines[1].split()[:5] == ["network", "size", "batch", "loop", "images/s"]
    assert lines[2].split()[:5] == ["softmax", "8", "128", "convnets,", "fp32"]
    assert lines[-1] == f"results: {tmp_path / 'out'}"
    ours = json.loads((tmp_path / "out" / "bench.json").read_text())["networks"][0]["training"]["sides"][0]
    assert ours["kernels"]["event"] == "KernelsChosen"
    assert len(ours["slices"]) == 1
    assert (tmp_path / "out" / "bench.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("lenett",), 2, "unknown network 'lenett'; nearest: lenet"),
        (("lenet", "--rounds", 0), 2, "rounds is 0; allowed: 1 or more"),
        (("lenet", "--seconds", "long"), 2, "'long'; allowed: a number"),
        (("lenet", "--data", "nowhere"), 2, "unknown data set 'nowhere'"),
        (("lenet", "--device", "cuda:99"), 1, "device 'cuda:99' is not on this machine"),
    ],
)
def test_wrong_usage_is_one_line(
    refused: Callable[..., str], arguments: tuple[Any, ...], status: int, said: str
) -> None:
    assert said in refused(status, "bench", *arguments)


@POSIX
def test_ctrl_c_is_one_line_and_leaves_no_process_behind() -> None:
    code = (
        "import convnets.benchmarking.bench as bench\n"
        "from convnets.cli.main import run\n"
        "bench.measured_peaks = lambda *_: {'fp32': 1.0, 'bf16': 1.0}\n"
        "run(['bench', 'softmax', '--baseline', '--data', 'digits', '--size', '8', '--seconds', '100'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    started: list[psutil.Process] = []
    end = time.monotonic() + 60
    while len(started) < 5 and time.monotonic() < end:  # the standard loop and its loader's four
        time.sleep(0.1)
        started = psutil.Process(process.pid).children(recursive=True)
    assert len(started) >= 5
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (130, "", "convnets: interrupted\n")
    _, left = psutil.wait_procs(started, timeout=10)
    assert [each for each in left if each.is_running() and each.status() != psutil.STATUS_ZOMBIE] == []

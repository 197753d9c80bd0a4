"""bench_peers(): who answers, who takes turns, who is named as absent; with sides of known speeds, and one real run."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from convnets.benchmarking import peers as peers_module
from convnets.benchmarking.peers import PEERS, bench_peers
from convnets.benchmarking.workload import Workload
from convnets.cli.main import run as run_command
from convnets.errors import ConfigError, TrainingError, UsageError

Make = Callable[..., Workload]
SPEEDS = {"convnets": 1000.0, "pytorch": 500.0, "torch.compile": 800.0, "onnxruntime": 2000.0}


class FakePeer:
    """In place of LoopProcess: images per second as in SPEEDS, OpenVINO absent, the compiler fails at batch 8."""

    log: list[str] = []  # noqa: RUF012  what was done, in order; emptied by the fixture
    shift = 0.0
    open = 0

    def __init__(self, name: str, environment: Any = None) -> None:
        self.side, self.batch = name.rsplit(", ", 1)[1], 0
        assert (environment is None) == (self.side == "convnets")

    def __enter__(self) -> FakePeer:
        type(self).open += 1
        return self

    def __exit__(self, *_: object) -> None:
        type(self).open -= 1

    def prepare(self, kind: str, side: str, workload: Workload) -> None:
        assert (kind, side) == ("peers", self.side)
        if side == "openvino":
            raise UsageError("openvino is not installed; install it with: pip install openvino")
        self.log.append(f"prepare {side} {workload.threads}")

    def answers(self, batch: int) -> list[list[float]]:
        self.batch = batch
        if self.side == "torch.compile" and batch == 8:
            raise TrainingError("its process ended")
        self.log.append(f"answer {self.side} {batch}")
        shift = self.shift if self.side == "onnxruntime" else 0.0
        return [[4.0, 2.0 + shift], [1.0, 2.0]]

    def run(self, steps: int) -> Any:
        from convnets.benchmarking.measures.slices import Slice

        self.log.append(f"run {self.side}")
        images = steps * self.batch
        return Slice(images, images / SPEEDS[self.side], 0.0, 0.0, 1, None, None)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakePeer]:
    monkeypatch.setattr(peers_module, "LoopProcess", FakePeer)
    FakePeer.log.clear()
    FakePeer.open, FakePeer.shift = 0, 0.0
    return FakePeer


def test_all_answer_before_they_take_turns(workload: Make, fake: type[FakePeer]) -> None:
    found = bench_peers([workload()], batches=(2,), threads=(1,), rounds=3, seconds=2 / 2000)
    sides = ["convnets", "pytorch", "torch.compile", "onnxruntime"]
    assert fake.log[:8] == [f"prepare {side} 1" for side in sides] + [f"answer {side} 2" for side in sides]
    assert fake.log[-12:] == [f"run {side}" for side in sides] * 3
    assert fake.open == 0
    (row,) = found.rows
    ratios = {name: ratio.median for name, ratio in row.ratios.items()}
    assert ratios == pytest.approx({"pytorch": 2.0, "torch.compile": 1.25, "onnxruntime": 0.5})
    assert row.fastest_peer == "onnxruntime"
    assert row.milliseconds(row.sides[0]) == pytest.approx((2.0, 2.0, 2.0))
    assert found.geometric_means() == pytest.approx({**ratios, "the fastest peer": 0.5})


def test_who_is_absent_is_named_with_the_reason(workload: Make, fake: type[FakePeer]) -> None:
    found = bench_peers([workload()], batches=(1, 8), threads=(1, 2), rounds=1, seconds=0.001)
    assert [(row.threads, row.batch, len(row.sides)) for row in found.rows] == [
        (1, 1, 4),
        (1, 8, 3),
        (2, 1, 4),
        (2, 8, 3),
    ]
    assert found.absent == {
        "openvino": "openvino is not installed; install it with: pip install openvino",
        "torch.compile (lenet, batch 8)": "its process ended",
    }
    assert "absent: openvino: openvino is not installed" in "\n".join(found.notes())


def test_other_answers_are_seen(workload: Make, fake: type[FakePeer]) -> None:
    fake.shift = 3.0  # of a largest logit of 4: the first row's class is another then
    (row,) = bench_peers([workload()], batches=(1,), threads=(1,), rounds=1, seconds=0.001).rows
    assert (row.answers["onnxruntime"].error, row.answers["onnxruntime"].agreement) == (0.75, 0.5)
    assert (row.answers["pytorch"].error, row.answers["pytorch"].agreement) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"batches": (0,)}, "batch size is 0; allowed: 1 or more"),
        ({"threads": ()}, "threads is none"),
        ({"rounds": 0}, "rounds is 0"),
        ({"seconds": 0.0}, "seconds is 0.0"),
        ({"peers": ("tensorrt",)}, "peer is 'tensorrt'; allowed: pytorch, torch.compile"),
    ],
)
def test_what_cannot_be_measured_is_refused(workload: Make, more: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        bench_peers([workload()], **more)


def test_networks_for_series_are_refused(workload: Make) -> None:
    with pytest.raises(ConfigError, match="tcn is for series"):
        bench_peers([workload("tcn", size=128)])
    with pytest.raises(ConfigError, match="no networks"):
        bench_peers([])


def test_a_real_run_by_the_command(
    fake: type[FakePeer], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # real processes, of which two are enough

    def ended(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as status:
            run_command([str(each) for each in arguments])
        assert isinstance(status.value.code, int)
        return status.value.code, *capsys.readouterr()

    others = [word for name in PEERS if name != "onnxruntime" for word in ("--without", name)]
    small = (*others, "--size", 28, "--batch-size", 3, "--threads", 1, "--rounds", 2, "--seconds", 0.01)
    small = (*small, "--precision", "fp32")
    status, out, _ = ended("bench", "lenet_bn", "--peers", *small, "--json")
    assert status == 0
    found = json.loads(out)
    (row,) = found["networks"]
    assert [side["name"] for side in row["sides"]] == ["convnets", "onnxruntime"]
    assert row["sides"][1]["difference"] < 1e-5
    assert row["sides"][1]["agreement"] == 1.0
    assert row["ratios"]["onnxruntime"]["low"] <= row["ratios"]["onnxruntime"]["high"]
    assert found["absent"] == {}
    status, _, told = ended("bench", "lenet_bn", "--peers", "--baseline")
    assert (status, told.count("\n")) == (2, 1)
    assert "--baseline with --peers" in told
    assert "unknown engine 'tvm'" in ended("bench", "lenet_bn", "--peers", "--without", "tvm")[2]
    assert "add --peers" in ended("bench", "lenet_bn", "--without", "openvino")[2]

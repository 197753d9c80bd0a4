"""bench(): who is measured in which order, and what is made of it; with sides of known speeds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convnets.benchmarking.bench import bench
from convnets.benchmarking.chart import bench_figure, bench_svg
from convnets.benchmarking.workload import Workload
from convnets.errors import ConfigError, DeviceError, RunError, UnknownNameError

Make = Callable[..., Workload]


def test_without_the_baseline_ours_alone_is_measured(workload: Make, fake_processes: Any) -> None:
    result = bench([workload()], rounds=2, seconds=64 / 2500, inference=False)
    assert fake_processes.log == ["prepare training convnets fp32", *["run convnets 1"] * 4]
    assert [side.name for side in result.comparisons[0].training] == ["convnets"]
    assert result.comparisons[0].inference == ()
    assert result.table("inference")[1] == []


def test_the_sides_take_turns_and_are_gone_afterwards(workload: Make, fake_processes: Any) -> None:
    seconds = 6.4  # 10, 100 and 250 steps
    bench([workload()], baseline=True, inference=True, rounds=2, seconds=seconds)
    log = fake_processes.log
    slices = [line for line in log if line.split()[-1] in ("10", "100", "250")]
    turn = ["run standard 10", "run hand-tuned 100", "run convnets 250"]
    assert slices == [*turn, *turn, turn[0], turn[2], turn[0], turn[2]]
    assert [line.split()[1:3] for line in log if line.startswith("prepare")] == [
        ["training", "standard"],
        ["training", "hand-tuned"],
        ["training", "convnets"],
        ["inference", "standard"],
        ["inference", "convnets"],
    ]
    assert fake_processes.open == 0


def test_compiled_pytorch_beside_the_others(workload: Make, fake_processes: Any) -> None:
    result = bench([workload()], baseline=True, compiled=True, rounds=2, seconds=6.4)
    (found,) = result.comparisons
    assert [side.name for side in found.training] == ["convnets", "compiled", "hand-tuned", "standard"]
    assert [side.name for side in found.inference] == ["convnets", "standard"]
    assert found.ratios("training")["compiled"].median == pytest.approx(2.0)
    assert "compiled PyTorch" in bench_svg(result)


def test_the_results_as_json_and_as_a_picture(workload: Make, fake_processes: Any, tmp_path: Path) -> None:
    output = tmp_path / "new" / "folder"
    heard: list[tuple[Any, ...]] = []
    result = bench(
        [workload(), workload("lenet_bn")],
        baseline=True,
        rounds=3,
        seconds=1.0,
        output=output,
        progress=lambda *now: heard.append(now),
    )
    assert sorted(path.name for path in output.iterdir()) == ["bench.json", "bench.png", "bench.svg"]
    found = json.loads((output / "bench.json").read_text())
    assert found == json.loads(json.dumps(result.to_dict()))
    assert found["schema_version"] == 1
    assert found["settings"] == {"rounds": 3, "seconds": 1.0}
    assert found["peak_gflops"] == {"fp32": 100.0, "bf16": 400.0}
    assert found["energy"] == "not told by this machine"
    assert {"processor", "cores", "threads", "versions", "command"} <= found["environment"].keys()
    first = found["networks"][0]
    assert (first["network"], first["size"], first["batch_size"], first["macs"]) == ("lenet", 28, 64, 416_520)
    ratios = {name: ratio["median"] for name, ratio in first["training"]["ratios"].items()}
    assert ratios == pytest.approx({"hand-tuned": 2.5, "standard": 25.0})
    ours = first["training"]["sides"][0]
    assert (ours["name"], len(ours["slices"])) == ("convnets", 3)
    assert ours["gflops"] == pytest.approx(6 * 416_520 * 2500 / 1e9)
    assert ours["share_of_peak"] == pytest.approx(ours["gflops"] / 100.0)
    assert [each["kernels"] != {} for each in first["training"]["sides"]] == [True, False, False]
    judged = first["inference"]["sides"][0]
    assert judged["gflops"] == pytest.approx(2 * 416_520 * 2500 / 1e9)
    assert {"lenet, training", "lenet_bn, inference"} <= {what for what, _, _ in heard}
    assert (output / "bench.png").read_bytes().startswith(b"\x89PNG")


def test_what_was_measured_is_kept_when_a_later_network_fails(
    workload: Make, fake_processes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = fake_processes.prepare

    def prepare(self: Any, kind: str, side: str, task: Workload) -> None:
        if task.network == "lenet_bn":
            raise KeyboardInterrupt
        plain(self, kind, side, task)

    monkeypatch.setattr(fake_processes, "prepare", prepare)
    with pytest.raises(KeyboardInterrupt):
        bench([workload(), workload("lenet_bn")], rounds=1, seconds=0.1, output=tmp_path)
    assert fake_processes.open == 0
    found = json.loads((tmp_path / "bench.json").read_text())
    assert [each["network"] for each in found["networks"]] == ["lenet"]


def test_the_table(workload: Make, fake_processes: Any) -> None:
    result = bench([workload(precision="bf16")], baseline=True, rounds=2, seconds=1.0)
    header, rows = result.table("training")
    assert len(header) == len(rows[0])
    named = [dict(zip(header, row, strict=True)) for row in rows]
    assert [row["loop"] for row in named] == ["convnets, bf16", "hand-tuned, bf16", "standard, fp32"]
    assert [row["images/s"] for row in named] == ["2,500", "1,000", "100"]
    assert [row["convnets is"] for row in named] == ["", "2.50× (2.50×–2.50×)", "25.0× (25.0×–25.0×)"]
    assert [row["of peak"] for row in named] == [
        "2 %",
        "1 %",
        "0 %",
    ]  # 6.2 of 400, 2.5 of 400, 0.25 of 100
    assert result.notes()[-2] == "lenet: not all of its kernels were used, there is no compiler"
    assert result.notes()[-1] == "energy: not told by this machine"


def test_the_chart_has_a_bar_for_each_side(workload: Make, fake_processes: Any) -> None:
    result = bench([workload(), workload("lenet_bn")], baseline=True, rounds=1, seconds=1.0)
    training, inference = bench_figure(result).axes
    assert [bar.get_width() for bar in training.patches] == pytest.approx([2500, 1000, 100] * 2)
    assert [bar.get_width() for bar in inference.patches] == pytest.approx([2500, 100] * 2)
    assert training.get_xscale() == "log"
    svg = bench_svg(result)
    assert "2,500 · 2.50× hand-tuned · 25.0× standard" in svg
    for word in ("lenet_bn", "convnets", "hand-tuned PyTorch", "the standard loop", "Inference"):
        assert word in svg


@pytest.mark.parametrize(
    ("change", "settings", "kind", "said"),
    [
        ({}, {"rounds": 0}, ConfigError, "rounds is 0; allowed: 1 or more"),
        ({}, {"seconds": 0.0}, ConfigError, "seconds is 0.0; allowed: above 0"),
        ({}, {"seconds": float("nan")}, ConfigError, "seconds is nan; allowed: above 0"),
        ({"batch_size": 0}, {}, ConfigError, "batch_size is 0; allowed: 1 to"),
        ({"size": 11}, {}, ConfigError, "size is 11; lenet needs at least 12"),
        ({"network": "lenett"}, {}, UnknownNameError, "unknown network 'lenett'; nearest: lenet"),
        ({"precision": "fp8"}, {}, UnknownNameError, "unknown precision 'fp8'; nearest: fp32"),
        ({"device": "cuda:99"}, {}, DeviceError, "device 'cuda:99' is not on this machine"),
    ],
)
def test_bad_values_are_refused_before_any_process_is_started(
    workload: Make, fake_processes: Any, change: Any, settings: Any, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind) as error:
        bench([workload(**change)], **settings)
    assert str(error.value).startswith(said)
    assert fake_processes.log == []


def test_no_networks_and_no_folder(workload: Make, fake_processes: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no networks to measure; give at least one"):
        bench([])
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be made a folder: "):
        bench([workload()], output=tmp_path / "file")

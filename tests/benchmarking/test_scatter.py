"""Latency takes turns; the records add up; the picture names every network, whatever it is called."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from convnets.benchmarking.measures.latency import measure_latencies
from convnets.benchmarking.scatter import Scatter, scatter
from convnets.core.hardware import choose_hardware
from convnets.errors import ConfigError, LayerError, UsageError

HARDWARE = choose_hardware("cpu", "fp32", threads=1)


class Noted(nn.Module):
    """Writes down that it was its turn."""

    def __init__(self, name: str, turns: list[str]) -> None:
        super().__init__()
        self.name, self.turns = name, turns
        self.layer = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        assert not self.training
        assert x.shape == (1, 4)
        self.turns.append(self.name)
        return self.layer(x)  # type: ignore[no-any-return]


def test_networks_take_turns() -> None:
    turns: list[str] = []
    progress: list[tuple[str, int, int | None]] = []
    networks = {name: (Noted(name, turns), (4,)) for name in "ab"}
    found = measure_latencies(
        networks, HARDWARE, rounds=3, seconds=1e-9, progress=lambda *each: progress.append(each)
    )
    assert turns == list("ab" * 4)  # the first pass of each is not measured
    assert [each.passes for each in found.values()] == [3, 3]
    assert progress[-1] == ("measuring latency", 3, 3)


def small() -> Scatter:
    networks = {
        "linear": (nn.Linear(4, 2), (4,)),
        "$wei<rd>& 狗": (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2)), (1, 4, 4)),
        "nothing": (nn.Flatten(), (1, 4, 4)),
    }
    return scatter(networks, HARDWARE, rounds=2, seconds=0.001)


def test_records() -> None:
    found = small()
    assert [(point.parameters, point.macs, point.flops) for point in found.points] == [
        (10, 8, 16),
        (38, 4 * 18 + 16, 176),
        (0, 0, 0),
    ]
    for point in found.points:
        assert point.macs_per_second == pytest.approx(point.macs / point.latency.seconds)
        assert math.isfinite(point.latency.seconds)
    content = json.loads(json.dumps(found.to_dict()))
    assert content["environment"]["threads"] == torch.get_num_threads()
    assert str(found).splitlines()[1].split()[:4] == ["linear", "4", "10", "8"]


def test_pictures(tmp_path: Path) -> None:
    found = small()
    svg = found.draw(tmp_path / "a" / "picture.svg").read_text()
    assert ">linear<" in svg
    assert ">$wei&lt;rd&gt;&amp; 狗<" in svg
    assert found.draw(tmp_path / "picture.PNG").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match=r"ends in \.pdf; allowed"):
        found.draw(tmp_path / "picture.pdf")


def test_wrong_numbers_and_sizes_are_refused() -> None:
    networks = {"linear": (nn.Linear(4, 2), (4,))}
    with pytest.raises(ConfigError, match="rounds is 0"):
        measure_latencies(networks, HARDWARE, rounds=0)
    with pytest.raises(ConfigError, match="seconds is 0"):
        measure_latencies(networks, HARDWARE, seconds=0)
    with pytest.raises(LayerError, match="got 1×5; it needs N×4"):
        scatter({"linear": (nn.Linear(4, 2), (5,))}, HARDWARE)
    with pytest.raises(ConfigError, match="no networks"):
        scatter({}, HARDWARE)

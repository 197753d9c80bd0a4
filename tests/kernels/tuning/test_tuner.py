"""Plans are measured once for a machine and a shape, and never trusted beyond that."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from convnets.kernels.convolutions import candidates
from convnets.kernels.convolutions.candidates import Candidate, applicable
from convnets.kernels.convolutions.plan import DIRECTIONS, ONEDNN, ConvolutionPlan
from convnets.kernels.convolutions.shape import ConvolutionShape
from convnets.kernels.tuning import tuner
from convnets.kernels.tuning.tuner import Tuner

SHAPE = ConvolutionShape(2, 8, 6, 6, 4, (3, 3), dtype="fp32")
OTHER = ConvolutionShape(2, 8, 6, 6, 4, (1, 1), dtype="fp32", needs_input_gradient=False)


@pytest.fixture(autouse=True)
def measurements(monkeypatch: pytest.MonkeyPatch) -> list[tuple[ConvolutionShape, int]]:
    """Shapes that were measured and with how many threads; every kernel but oneDNN's wins, the last the most."""
    done = []

    def measure(shape: ConvolutionShape, clock: Any) -> ConvolutionPlan:
        done.append((shape, torch.get_num_threads()))
        directions = [d for d in DIRECTIONS if d != "input_gradient" or shape.needs_input_gradient]
        seconds = {d: {name: 1 / (1 + i) for i, name in enumerate(applicable(d, shape))} for d in directions}
        chosen = {d: applicable(d, shape)[-1] for d in directions}
        return ConvolutionPlan(**chosen, seconds=seconds)

    monkeypatch.setattr(tuner, "measure", measure)
    monkeypatch.delenv("CONVNETS_TUNE", raising=False)
    return done


def test_a_plan_is_measured_once_and_read_ever_after(tmp_path: Path, measurements: list[Any]) -> None:
    path = tmp_path / "deep" / "plans.json"
    told = []
    first = Tuner(path, measured=lambda shape, plan: told.append((shape, plan)))
    assert not first.is_known(SHAPE, 1)
    plan = first.plan(SHAPE, 1)
    assert first.is_known(SHAPE, 1)
    assert first.plan(SHAPE, 1) is plan
    again = Tuner(path, measured=lambda *_: pytest.fail("measured again"))
    assert again.is_known(SHAPE, 1)
    read = again.plan(SHAPE, 1)
    assert (read, read.seconds) == (plan, plan.seconds)
    assert len(measurements) == 1
    assert told == [(SHAPE, plan)]
    assert not again.is_known(OTHER, 1)


def test_threads_are_set_for_measuring_and_put_back(tmp_path: Path, measurements: list[Any]) -> None:
    before = torch.get_num_threads()
    made = Tuner(tmp_path / "plans.json")
    made.plan(SHAPE, before + 1)
    made.plan(SHAPE, before)
    assert [threads for _, threads in measurements] == [before + 1, before]
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("change", ["processor", "features", "torch", "limit"])
def test_another_machine_measures_for_itself(
    tmp_path: Path, measurements: list[Any], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    path = tmp_path / "plans.json"
    Tuner(path).plan(SHAPE, 1)
    with monkeypatch.context() as patch:
        if change == "processor":
            patch.setattr(tuner, "processor_name", lambda: "another")
        elif change == "features":
            patch.setattr(tuner, "processor_features", lambda: "flags: amx_bf16")
        elif change == "torch":
            patch.setattr(torch, "__version__", "9.9")
        else:
            patch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
        assert not Tuner(path).is_known(SHAPE, 1)
        Tuner(path).plan(SHAPE, 1)
    assert len(measurements) == 2
    assert Tuner(path).is_known(SHAPE, 1)  # the first machine's plan is still there


def test_plans_of_several_processes_come_together(tmp_path: Path, measurements: list[Any]) -> None:
    path = tmp_path / "plans.json"
    one, two = Tuner(path), Tuner(path)
    assert not one.is_known(SHAPE, 1)  # both have looked at the empty file
    assert not two.is_known(SHAPE, 1)
    one.plan(SHAPE, 1)
    two.plan(OTHER, 1)
    third = Tuner(path)
    assert third.is_known(SHAPE, 1)
    assert third.is_known(OTHER, 1)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"format": 1}',
        '{"format": 1, "machines": []}',
        '{"format": 0, "machines": {}}',
        "\x00\xff",
    ],
)
def test_a_damaged_file_is_measured_over(tmp_path: Path, measurements: list[Any], content: str) -> None:
    path = tmp_path / "plans.json"
    path.write_bytes(content.encode("latin-1"))
    made = Tuner(path)
    made.plan(SHAPE, 1)
    assert len(measurements) == 1
    assert Tuner(path).is_known(SHAPE, 1)


@pytest.mark.parametrize("damage", ["plan", "kernel", "entry", "machine"])
def test_a_damaged_entry_is_measured_over(tmp_path: Path, measurements: list[Any], damage: str) -> None:
    path = tmp_path / "plans.json"
    Tuner(path).plan(SHAPE, 1)
    content = json.loads(path.read_text())
    [machine] = content["machines"]
    plans = content["machines"][machine]
    if damage == "plan":
        del plans[SHAPE.key()]["seconds"]
    elif damage == "kernel":
        plans[SHAPE.key()]["forward"] = "fft"
    elif damage == "entry":
        plans[SHAPE.key()] = [1]
    else:
        content["machines"][machine] = 3
    path.write_text(json.dumps(content))
    assert Tuner(path).plan(SHAPE, 1).forward == applicable("forward", SHAPE)[-1]
    assert len(measurements) == 2


def test_a_new_kernel_or_one_that_is_gone_calls_for_measuring(
    tmp_path: Path, measurements: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plans.json"
    Tuner(path).plan(SHAPE, 1)
    with monkeypatch.context() as patch:
        patch.setitem(candidates.FORWARD, "new", Candidate(lambda _: True, candidates.FORWARD["onednn"].run))
        made = Tuner(path)
        assert not made.is_known(SHAPE, 1)
        assert made.plan(SHAPE, 1).forward == "new"
    assert Tuner(path).plan(SHAPE, 1).forward != "new"
    assert len(measurements) == 3


def test_a_cache_that_cannot_be_written_is_no_obstacle(tmp_path: Path, measurements: list[Any]) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way of a folder")
    made = Tuner(blocked / "plans.json")
    assert made.plan(SHAPE, 1) is made.plan(SHAPE, 1)
    assert len(measurements) == 1


def test_tuning_switched_off_measures_and_writes_nothing(
    tmp_path: Path, measurements: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVNETS_TUNE", "0")
    made = Tuner(tmp_path / "plans.json")
    assert made.is_known(SHAPE, 1)
    assert made.plan(SHAPE, 1) is ONEDNN
    assert measurements == []
    assert list(tmp_path.iterdir()) == []


def test_without_measuring_amx_does_not_get_what_it_computes_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVNETS_TUNE", "0")
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    made = Tuner(Path("nowhere"))
    side_path = ConvolutionShape(2, 8, 6, 6, 4, (1, 1), (2, 2))
    assert made.plan(side_path, 1) == ConvolutionPlan("product", "product", "product")
    apart = ConvolutionShape(2, 8, 6, 6, 4, (2, 2), (3, 3))
    assert made.plan(apart, 1) == ConvolutionPlan("im2col", "im2col", "im2col")
    assert made.plan(ConvolutionShape(**{**apart.__dict__, "dtype": "fp32"}), 1) is ONEDNN
    assert made.plan(ConvolutionShape(2, 8, 6, 6, 4, (3, 3), (2, 2)), 1) is ONEDNN


def test_the_default_file_is_in_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVNETS_CACHE", str(tmp_path))
    Tuner().plan(SHAPE, 1)
    assert (tmp_path / "tuning" / "convolutions.json").exists()


def test_a_real_measurement_leaves_no_tensor_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    made = Tuner(tmp_path / "plans.json")
    gc.collect()
    before = sum(type(found) is torch.Tensor for found in gc.get_objects())
    plan = made.plan(SHAPE, 1)
    assert sum(type(found) is torch.Tensor for found in gc.get_objects()) == before
    assert plan.dropped == {}
    assert set(plan.seconds["forward"]) == set(applicable("forward", SHAPE))

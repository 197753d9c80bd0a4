"""Several processes train as one: the same losses, exact resume, and a process that ends is named."""

from __future__ import annotations

import importlib.util
import io
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from PIL import Image

from convnets.core.storage.file_lock import locked
from convnets.data.batches import Batches
from convnets.data.image_set import ImageSet
from convnets.errors import ConfigError, RunError
from convnets.training.config import TrainConfig
from convnets.training.distributed.ranks import config_for_rank
from convnets.training.events import EpochStarted, Event
from convnets.training.runs.run import Run
from convnets.training.train import resume, train

SCRIPT = Path(__file__).with_name("ranks_at_work.py")


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ranks_at_work", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ranks_at_work"] = module
    spec.loader.exec_module(module)
    return module


work = _loaded()


TOGETHER = "equal,resumed,sharded,broken,budget"  # by the same two ranks


def read(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return found


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where ranks have gone through scenario after scenario: once, for all of pytest's own processes."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = base / "ranks-at-work"
    with locked(base / "ranks-at-work.lock"):
        if not folder.exists():
            (folder / "shards").mkdir(parents=True)
            write_shards(folder / "shards", work.few().train)
            train("lenet_bn", work.few(), work.PLAIN, output=folder, name="alone", listeners=[stop_later])
            command = [sys.executable, SCRIPT, folder, TOGETHER, "halted", "restarted"]
            subprocess.run(command, timeout=580, check=True)
    return folder


def ranks(folder: Path, scenarios: str) -> dict[str, list[int]]:
    """Exit codes and numbers of the processes that went through them."""
    found: dict[str, list[int]] = json.loads((folder / f"{scenarios}.ranks.json").read_text())
    return found


def errors(folder: Path, scenarios: str) -> str:
    """What its ranks said."""
    return (folder / f"{scenarios}.errors").read_text()[-4000:]


@pytest.fixture
def worked(workplace: Path) -> Path:
    """Where two ranks have gone through what is done together."""
    assert ranks(workplace, TOGETHER)["codes"] == [0, 0], errors(workplace, TOGETHER)
    return workplace


def stop_later(event: Event) -> None:
    if isinstance(event, EpochStarted) and event.epoch == 2:
        raise KeyboardInterrupt


def write_shards(folder: Path, images: ImageSet) -> None:
    """Three tar shards of the images as PNG, with their labels."""
    for shard in range(3):
        with tarfile.open(folder / f"s-{shard}.tar", "w") as archive:
            for index in range(shard, len(images), 3):
                picture = io.BytesIO()
                Image.fromarray(images.pixels[index, 0].numpy()).save(picture, "PNG")
                label = str(int(images.labels[index])).encode()
                for ending, content in (("png", picture.getvalue()), ("cls", label)):
                    member = tarfile.TarInfo(f"{index:03}.{ending}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))


def both(folder: Path, scenario: str) -> list[dict[str, Any]]:
    return [read(folder, f"{scenario}-{rank}") for rank in range(2)]


@pytest.fixture
def equal(worked: Path) -> list[dict[str, Any]]:
    return both(worked, "equal")


@pytest.fixture
def diary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(work.Learner, "step", work.Learner.step)  # put back after the test
    return work.Diary()


@pytest.mark.parametrize("case", work.CASES, ids=lambda case: case[0])
def test_two_processes_lose_step_by_step_what_one_does(
    equal: list[dict[str, Any]], diary: Any, tmp_path: Path, case: tuple[str, str, TrainConfig]
) -> None:
    name, network, config = case
    run = train(network, work.few(), config, output=tmp_path, listeners=())
    alone, (first, second) = diary.taken(), [each[name]["steps"] for each in equal]
    assert len(alone) == len(first) == len(second) == 2 * work.STEPS
    for (epoch, step, images, loss), one, other in zip(alone, first, second, strict=True):
        assert [epoch, step] == one[:2] == other[:2]
        assert [images[0::2], images[1::2]] == [one[2], other[2]]
        assert one[3] == other[3]  # both know the loss of the whole batch
        assert math.isclose(loss, one[3], rel_tol=2e-5)
    rows = equal[0][name]["rows"]
    assert [row["epoch"] for row in rows] == [1, 2]
    for row, expected in zip(rows, run.metrics, strict=True):
        assert row["train_accuracy"] == pytest.approx(expected["train_accuracy"], abs=1e-6)
        assert row["validation_loss"] == pytest.approx(expected["validation_loss"], rel=5e-5)
        assert row["validation_accuracy"] == pytest.approx(expected["validation_accuracy"], abs=1e-6)
    assert [each[name]["status"] for each in equal] == ["finished", "finished"]


def test_batch_norm_over_two_processes_is_that_of_all_images(equal: list[dict[str, Any]]) -> None:
    for each in equal:
        assert all(difference < 1e-9 for kind in each["norm"] for difference in kind), each["norm"]


def test_the_world_sums_agrees_and_tells(equal: list[dict[str, Any]]) -> None:
    assert [each["world"] for each in equal] == [[3, 1, [0, 1, 2]]] * 2
    assert [each["error"] for each in equal] == [
        ["nothing can be written", False],
        ["nothing can be written", True],
    ]


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("place", work.PLACES)
@pytest.mark.parametrize(("scenario", "kind"), [("resumed", "memory"), ("sharded", "shards")])
def test_a_run_of_two_processes_goes_on_to_the_bit(
    worked: Path, scenario: str, kind: str, place: str, times: int
) -> None:
    found, name = both(worked, scenario), f"{kind} {place} {times}"
    assert len(found[0]["whole"]) == 3 * {"memory": work.STEPS, "shards": work.SHARD_STEPS}[kind]
    for each in found:
        assert each[name]["steps"] == each["whole"]
        assert each[name]["statuses"] == [*["terminated"] * times, "finished"]
    assert work.final_hash(worked / name) == work.final_hash(worked / f"{kind} whole")
    assert found[0][name]["rows"] == work.rows(Run(worked / f"{kind} whole"))


def test_shards_are_shared_out_and_the_number_of_workers_changes_nothing(worked: Path) -> None:
    one, other = both(worked, "sharded")
    for each in (one, other):
        assert each["no workers"] == each["whole"]
    assert work.final_hash(worked / "no workers") == work.final_hash(worked / "shards whole")
    for epoch in range(3):
        shares = [[i for e, _, ids, _ in each["whole"] if e == epoch for i in ids] for each in (one, other)]
        assert [len(share) for share in shares] == [72, 72]  # of 148: stretches of 18 for 8 readers
        assert len({*shares[0], *shares[1]}) == 144


def test_shards_on_two_processes_give_the_losses_of_one_on_the_same_batches(
    worked: Path, diary: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = both(worked, "sharded")
    steps = [
        torch.tensor(one[2] + other[2]) for one, other in zip(*(each["plain"] for each in found), strict=True)
    ]
    sizes = Batches.__len__
    monkeypatch.setattr(Batches, "__len__", lambda b: work.SHARD_STEPS if b.shuffle else sizes(b))
    own = Batches.steps

    def joined(batches: Batches, epoch: int) -> list[torch.Tensor]:
        first = epoch * work.SHARD_STEPS
        return steps[first : first + work.SHARD_STEPS] if batches.shuffle else own(batches, epoch)

    monkeypatch.setattr(Batches, "steps", joined)
    run = train("lenet", str(worked / "shards"), work.PLAIN, output=tmp_path, listeners=())
    for (*_, loss), one, other in zip(diary.taken(), *(each["plain"] for each in found), strict=True):
        assert one[3] == other[3]
        assert math.isclose(loss, one[3], rel_tol=2e-5)
    for row, expected in zip(found[0]["plain rows"], run.metrics, strict=True):
        assert row["validation_loss"] == pytest.approx(expected["validation_loss"], rel=5e-5)


def test_another_number_of_processes_is_refused(worked: Path, tmp_path: Path) -> None:
    stopped = tmp_path / "stopped"
    shutil.copytree(worked / "memory mid-epoch 1", stopped)
    events = stopped / "events.jsonl"
    lines = events.read_text().splitlines(keepends=True)
    events.write_text("".join(lines[:-1]))  # as if it had been cut off before its end
    with pytest.raises(RunError, match=r"was trained by 2 processes, now there is 1"):
        resume(stopped, data=work.few(), listeners=())
    one, other = both(worked, "broken")
    assert "was trained by 1 process, now there are 2" in one["other size"]
    assert one["other size"] == other["other size"]


def test_nan_in_one_process_stops_or_skips_in_both(worked: Path) -> None:
    one, other = both(worked, "broken")
    assert one["stop"][0] == other["stop"][0]
    assert "the loss is not finite in epoch 1, step 4" in one["stop"][0]
    assert [one["stop"][1], other["stop"][1]] == [False, True]  # said once
    assert one["finite"]
    assert one["skipped"] == other["skipped"] == [1, 2 * work.STEPS - 1]
    assert one["weights"] == other["weights"]


def test_a_budget_of_minutes_is_kept_by_one_clock(worked: Path) -> None:
    one, other = both(worked, "budget")
    assert (
        one == other
    )  # the same learning rates at equally many steps, though rank 1's clock is five times as fast
    assert one["status"] == "time budget"
    assert 15 <= len(one["rates"]) <= 21
    assert one["rates"][-1] < 0.1 * max(one["rates"])


def test_a_process_that_stands_still_is_named_within_the_timeout(workplace: Path) -> None:
    found = ranks(workplace, "halted")
    assert found["codes"] == [0, -signal.SIGKILL], errors(workplace, "halted")
    message = read(workplace, "halted-0")["error"]
    assert f"rank 1 (process {found['numbers'][1]} on {socket.gethostname()}) no longer answers" in message
    assert Run(workplace / "halted").status.startswith("failed: rank 1")


def test_a_killed_process_is_named_and_an_elastic_restart_goes_on(
    workplace: Path, equal: list[dict[str, Any]]
) -> None:
    assert ranks(workplace, "restarted")["codes"] == [0], errors(workplace, "restarted")
    assert "rank 1 (process " in read(workplace, "lost-0-0")["error"]
    found = read(workplace, "restarted-0")
    assert found["attempt"] == 1
    assert found["status"] == "finished"
    assert found["steps"] < 2 * work.STEPS  # it did not begin anew
    assert work.final_hash(workplace / "restarted") == equal[0]["unbroken"]


def test_what_several_processes_cannot_do_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Two:
        rank, size = 0, 2

    with pytest.raises(ConfigError, match="2 processes"):
        config_for_rank(TrainConfig(objective="triplet"), Two())  # type: ignore[arg-type]
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match=r"WORLD_SIZE is 2 and RANK is not set; start with torchrun"):
        train("mlp", "digits", TrainConfig(), listeners=())

"""What the processes of test_distributed.py do: `python ranks_at_work.py FOLDER SCENARIO,… SCENARIO,… …`.

Two ranks go through the scenarios of each argument, and write FOLDER/SCENARIO-RANK.json for every one; the tests judge
what stands there. The ranks are forked from one process, which has imported PyTorch and its compiler (4 s of a core,
which DistributedDataParallel would take in each), and have their environment from it, as torchrun would give it.
FOLDER/SCENARIO,….ranks.json holds the exit codes and numbers of the processes.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from convnets.core.distributed.join import join_process_group
from convnets.core.distributed.process_group import rank_in_environment
from convnets.data.batches import Batch, Batches
from convnets.data.image_set import Splits
from convnets.data.sources import load_data
from convnets.errors import RunError, TrainingError
from convnets.layers.synchronized_norm import synchronize_batch_norm
from convnets.training import timing
from convnets.training.config import TrainConfig
from convnets.training.learner import Learner
from convnets.training.runs.run import Run
from convnets.training.train import resume, train

PLAIN = TrainConfig(epochs=2, batch_size=32, precision="fp32", optimizer="sgd", learning_rate=0.05, threads=1)
EVERYTHING = TrainConfig(
    epochs=3,
    batch_size=32,
    augment=("crop:2",),
    mixup=0.3,
    ema_decay=0.9,
    label_smoothing=0.1,
    schedule="one-cycle",
    precision="bf16",
    sync_bn=True,
    threads=1,
)
STREAMED = replace(EVERYTHING, memory_limit=0.0, workers=2)
RESTARTED = replace(PLAIN, save_every="1", sync_bn=True)
BUDGET = replace(PLAIN, epochs=100, max_minutes=20 / 60)
STEPS = 6  # in an epoch
SHARD_STEPS = 8  # 148 images over 2 processes with 4 readers each: 18 images a reader, in 16 and 2
PLACES = ("mid-epoch", "last batch", "epoch end")
RANK = rank_in_environment()


def few() -> Splits:
    """165 digits to train on (the last batch of 32 has 5: 3 and 2), 31 to validate (16 and 15), 20 to test."""
    digits = load_data("digits").train
    train_, validation, test = (digits.subset(range(*ends)) for ends in ((0, 165), (165, 196), (196, 216)))
    return Splits(train_, validation, test)


class Diary:
    """Writes down every step and lets something happen after one of them."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int, list[int], float]] = []
        self.after: dict[tuple[int, int], Callable[[], None]] = {}
        step = Learner.step

        def noted(learner: Learner, batch: Batch, epoch: int, number: int, progress: float) -> None:
            step(learner, batch, epoch, number, progress)
            self.steps.append((epoch, number, batch.indices.tolist(), learner.loss))
            self.after.get((epoch, number), lambda: None)()

        Learner.step = noted  # type: ignore[method-assign]

    def taken(self) -> list[tuple[int, int, list[int], float]]:
        steps, self.steps = self.steps, []
        return steps


def final_hash(path: Path) -> str:
    return hashlib.sha256((path / "model" / "model.safetensors").read_bytes()).hexdigest()


def rows(run: Run) -> list[dict[str, Any]]:
    """Metrics without times; process 0 has them."""
    return [{k: v for k, v in row.items() if "second" not in k} for row in run.metrics] if RANK == 0 else []


def equal(folder: Path) -> dict[str, Any]:
    """Runs that one process must match, and how batch norm over processes compares with one on all images."""
    diary = Diary()
    found: dict[str, Any] = {}
    for name, network, config in CASES:
        run = train(network, few(), config, output=folder / "two", name=name, listeners=())
        found[name] = {"steps": diary.taken(), "rows": rows(run), "status": run.status}
    run = train("lenet_bn", few(), RESTARTED, output=folder, name="unbroken", listeners=())
    found["unbroken"] = final_hash(run.path) if RANK == 0 else ""
    with join_process_group(1) as group:
        found["world"] = [
            group.total(RANK + 1),
            group.all_reduce_max(RANK),
            group.broadcast({"a": torch.arange(3 - RANK)})["a"].tolist(),
        ]
        found["norm"] = [norm_difference(kind) for kind in (nn.BatchNorm1d, nn.BatchNorm2d)]
    with join_process_group(1) as group:
        try:
            group.from_first(lambda: fail())
        except RunError as error:
            found["error"] = [str(error), error.told]
    return found


CASES = (
    ("lenet", "lenet", PLAIN),
    ("accumulate", "lenet", replace(PLAIN, accumulate=3, l2_penalty=0.01, clip_gradient_norm=0.5)),
    ("plain kernels", "lenet", replace(PLAIN, fast=False, optimizer="adamw", learning_rate=None)),
    ("lenet_bn", "lenet_bn", replace(PLAIN, sync_bn=True)),
)


def fail() -> int:
    raise RunError("nothing can be written")


def norm_difference(kind: type[nn.Module]) -> list[float]:
    """Largest differences from PyTorch's own on all 7 images, of which this process has 4 or 3: float64."""
    generator = torch.Generator().manual_seed(0)
    shape = (7, 3) if kind is nn.BatchNorm1d else (7, 3, 4, 2)
    x = torch.randn(shape, generator=generator, dtype=torch.float64) + 100
    weight = torch.randn(shape, generator=generator, dtype=torch.float64)
    whole, holder = kind(3).double(), nn.Sequential(kind(3).double())
    assert synchronize_batch_norm(holder) == 1
    mine = x[RANK::2].clone().requires_grad_()
    y = holder(mine)
    (y * weight[RANK::2]).sum().backward()
    x.requires_grad_()
    expected = whole(x)
    (expected * weight).sum().backward()
    gradients = torch.stack([p.grad for p in holder.parameters()])  # type: ignore[misc]
    torch.distributed.all_reduce(gradients)
    theirs = torch.stack([p.grad for p in whole.parameters()])  # type: ignore[misc]
    assert x.grad is not None
    assert mine.grad is not None
    state = zip(holder.state_dict().values(), whole.state_dict().values(), strict=True)
    return [
        worst(y, expected[RANK::2]),
        worst(mine.grad, x.grad[RANK::2]),
        worst(gradients, theirs),
        max(worst(own.double(), other.double()) for own, other in state),
    ]


def worst(one: Tensor, other: Tensor) -> float:
    return float((one - other).detach().abs().max())


def resumed(folder: Path) -> dict[str, Any]:
    """Runs on images in memory."""
    return stopped_runs(folder, "memory", EVERYTHING, STEPS)


def sharded(folder: Path) -> dict[str, Any]:
    """Runs on tar shards that are streamed by two workers each, and one on which they are read by none."""
    found = stopped_runs(folder, "shards", STREAMED, SHARD_STEPS)
    diary = Diary()
    data = str(folder / "shards" / "*.tar")
    train("lenet_bn", data, replace(STREAMED, workers=0), output=folder, name="no workers", listeners=())
    found["no workers"] = diary.taken()
    plain = replace(PLAIN, memory_limit=0.0)
    run = train("lenet", data, plain, output=folder, name="plain shards", listeners=())
    return found | {"plain": diary.taken(), "plain rows": rows(run)}


def stopped_runs(folder: Path, kind: str, config: TrainConfig, steps: int) -> dict[str, Any]:
    """Runs stopped by a SIGTERM to rank 1 alone, once and three times, beside one that is not."""
    data = str(folder / "shards" / "*.tar") if kind == "shards" else few()
    again = None if kind == "shards" else few()
    diary = Diary()
    train("lenet_bn", data, config, output=folder, name=f"{kind} whole", listeners=())
    found: dict[str, Any] = {"whole": diary.taken()}
    for place, first in zip(PLACES, ((1, 2), (1, steps - 1), (0, steps - 1)), strict=True):
        for times in (1, 3):
            stops = [first, (first[0] + 1, 0), (first[0] + 1, 3)][:times]
            name = f"{kind} {place} {times}"
            diary.after = {stops[0]: terminate}
            run = train("lenet_bn", data, config, output=folder, name=name, listeners=())
            statuses = [run.status]
            for stop in [*stops[1:], None]:
                diary.after = {} if stop is None else {stop: terminate}
                run = resume(folder / name, data=again, listeners=())
                statuses.append(run.status)
            found[name] = {"steps": diary.taken(), "statuses": statuses, "rows": rows(run)}
    return found


def terminate() -> None:
    if RANK == 1:
        os.kill(os.getpid(), signal.SIGTERM)


def broken(folder: Path) -> dict[str, Any]:
    """An image of NaN in rank 1 at step 3 of the first epoch."""
    prepare, learners = Batches._prepare, []

    def spoilt(
        batches: Batches, stored: Tensor, targets: Tensor, indices: Tensor, epoch: int, step: int
    ) -> Batch:
        batch = prepare(batches, stored, targets, indices, epoch, step)
        if RANK == 1 and (epoch, step) == (0, 3) and batches.shuffle:
            batch.images[0] = torch.nan
        return batch

    kept = Learner.__init__

    def remembered(learner: Learner, *given: Any, **named: Any) -> None:
        kept(learner, *given, **named)
        learners.append(learner)

    Batches._prepare = spoilt  # type: ignore[method-assign]
    Learner.__init__ = remembered  # type: ignore[method-assign]
    found: dict[str, Any] = {}
    try:
        train("lenet_bn", few(), PLAIN, output=folder, name="stopped", listeners=())
    except TrainingError as error:
        found["stop"] = [str(error), error.told]
        found["finite"] = all(bool(v.isfinite().all()) for v in learners[-1].network.state_dict().values())
    train("lenet_bn", few(), replace(PLAIN, non_finite="skip"), output=folder, name="skipped", listeners=())
    found["skipped"] = [learners[-1].guard.skipped, learners[-1].steps]
    found["weights"] = [float(p.detach().double().sum()) for p in learners[-1].network.parameters()]
    try:
        resume(folder / "alone", data=few(), listeners=())
    except RunError as error:
        found["other size"] = str(error)
    return found


def budget(folder: Path) -> dict[str, Any]:
    """A step takes a second by the clock of rank 0, and five by that of rank 1, which is wrong."""

    class Clock:
        now = 0.0

        def perf_counter(self) -> float:
            return self.now

    clock, step, rates = Clock(), Learner.step, []

    def timed(learner: Learner, batch: Batch, epoch: int, number: int, progress: float) -> None:
        step(learner, batch, epoch, number, progress)
        rates.append(learner.learning_rate)
        clock.now += 1 + 4 * RANK

    Learner.step = timed  # type: ignore[method-assign]
    before, timing.time = timing.time, clock  # type: ignore[assignment]
    try:
        run = train("lenet", few(), BUDGET, output=folder, name="budget", listeners=())
    finally:
        timing.time, Learner.step = before, step  # type: ignore[method-assign]
    return {"rates": rates, "status": run.status}


def halted(folder: Path) -> dict[str, Any]:
    """Rank 1 stands still in the middle of an epoch."""
    diary = Diary()
    if RANK == 1:
        diary.after = {(0, 2): lambda: os.kill(os.getpid(), signal.SIGSTOP)}
    try:
        train("lenet", few(), replace(PLAIN, rank_timeout=0.05), output=folder, name="halted", listeners=())
    except TrainingError as error:
        return {"error": str(error)}
    return {}


def restarted(folder: Path) -> dict[str, Any]:
    """Rank 1 is killed in the second epoch; torchrun starts all of them again, with the same call."""
    diary = Diary()
    attempt = int(os.environ["TORCHELASTIC_RESTART_COUNT"])
    if RANK == 1 and attempt == 0:
        diary.after = {(1, 2): lambda: os.kill(os.getpid(), signal.SIGKILL)}
    try:
        run = train("lenet_bn", few(), RESTARTED, output=folder, name="restarted", go_on=True, listeners=())
    except TrainingError as error:
        write(folder, f"lost-{attempt}", {"error": str(error)})
        raise
    return {"attempt": attempt, "steps": len(diary.steps), "status": run.status}


def write(folder: Path, name: str, found: dict[str, Any]) -> None:
    (folder / f"{name}-{RANK}.json").write_text(json.dumps(found))


SCENARIOS = {each.__name__: each for each in (equal, resumed, sharded, broken, budget, halted, restarted)}


def go_through(folder: Path, chosen: str) -> None:
    """A rank's work; its environment says which it is."""
    global RANK
    RANK = rank_in_environment()
    untouched = (Learner.step, Learner.__init__, Batches._prepare)
    for scenario in chosen.split(","):
        write(folder, scenario, SCENARIOS[scenario](folder))
        Learner.step, Learner.__init__, Batches._prepare = untouched  # type: ignore[method-assign]


def forked(work: Callable[[Path, str], None], folder: Path, chosen: str, **environment: object) -> int:
    """The number of a process that does it; what it says stands in FOLDER/SCENARIO,….errors."""
    number = os.fork()
    if number:
        return number
    code = 1
    try:
        with (folder / f"{chosen}.errors").open("a") as errors:
            os.dup2(errors.fileno(), 2)
        os.environ |= {name: str(value) for name, value in environment.items()}
        work(folder, chosen)
        code = 0
    except BaseException:  # noqa: BLE001  # nothing may go on from the fork
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def two_ranks(folder: Path, chosen: str) -> list[int]:
    """Their numbers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free.getsockname()[1]}
    size = {"WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
    return [
        forked(go_through, folder, chosen, RANK=rank, LOCAL_RANK=rank, **size, **meeting) for rank in range(2)
    ]


def restarts(folder: Path, chosen: str) -> None:
    """What `torchrun --nproc-per-node=2 --max-restarts=1` does, with ranks that are forks."""
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=2,
        run_id="restarts",
        max_restarts=1,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        start_method="fork",
        monitor_interval=0.1,
    )
    elastic_launch(config, go_through)(folder, chosen)


def ended(number: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


if __name__ == "__main__":
    import torch._dynamo  # before the forks
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    no_report = SimpleNamespace(write_run_report=lambda run, *_: run.report)
    sys.modules["convnets.training.recording.run_report"] = no_report  # type: ignore[assignment]
    place = Path(sys.argv[1])
    for each in sys.argv[2:]:
        if each == "restarted":
            numbers = [forked(restarts, place, each, TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1)]
        else:
            numbers = two_ranks(place, each)
        codes = [ended(numbers[0])]
        if each == "halted":
            os.kill(numbers[1], signal.SIGKILL)  # it stands still
        codes += map(ended, numbers[1:])
        (place / f"{each}.ranks.json").write_text(json.dumps({"codes": codes, "numbers": numbers}))

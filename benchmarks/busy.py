"""Training and evaluation on a machine that others use: one thread, all threads, and the number left open.

Usage: python benchmarks/busy.py --networks lenet_bn resnet20 --rounds 5 --json busy.json

Other processes are loops that compute without end, one or two of them, at nice 0 or 10. The three sides have a process
each and take turns, as in `convnets bench`; figures are medians over the slices, images a second.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from convnets.benchmarking.loop_process import LoopProcess
from convnets.benchmarking.measures.rounds import choose_steps, take_turns
from convnets.benchmarking.workload import Workload
from convnets.core.environment import describe_environment
from convnets.core.hardware import choose_hardware, usable_cores

SETTINGS = {  # side in pixels, images per step
    "lenet_bn": (28, 256),
    "resnet20": (32, 128),
    "resnet18_d2l": (96, 64),
}
CONDITIONS = ((0, 0), (1, 0), (2, 0), (1, 10), (2, 10))  # busy processes, their nice value


@contextlib.contextmanager
def busy(processes: int, nice: int) -> Iterator[None]:
    """Processes that compute without end, inside the block."""
    loops = [
        subprocess.Popen(
            [sys.executable, "-c", f"import os; os.nice({nice})\nwhile True: pass"], start_new_session=False
        )
        for _ in range(processes)
    ]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def measure(workload: Workload, kind: str, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Images a second of every slice by side: `one`, `all`, `open`."""
    threads = {"one": 1, "all": usable_cores(), "open": None}
    with contextlib.ExitStack() as stack:
        runners, steps = {}, {}
        for side, count in threads.items():
            runners[side] = stack.enter_context(LoopProcess(f"{workload.network}, {side}"))
            runners[side].prepare(kind, "convnets", replace(workload, threads=count))
            steps[side] = choose_steps(runners[side], seconds)
        slices = take_turns(runners, steps, rounds)
    return {side: [each.images / each.seconds for each in slices[side]] for side in threads}


def row(found: dict[str, list[float]]) -> dict[str, Any]:
    """Medians, and what the open number is worth against the better of the fixed ones, with its range."""
    medians = {side: statistics.median(rates) for side, rates in found.items()}
    ratios = [
        rate / max(one, both)
        for rate, one, both in zip(found["open"], found["one"], found["all"], strict=True)
    ]
    best = max(medians["one"], medians["all"])
    return {**medians, "ratio": medians["open"] / best, "ratios": ratios}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a line for each condition, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=list(SETTINGS), choices=SETTINGS)
    parser.add_argument("--kinds", nargs="+", default=["training", "inference"])
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of a slice")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    rows = []
    for network in given.networks:
        size, batch_size = SETTINGS[network]
        workload = Workload(network, given.data, size, batch_size, learning_rate=0.01)
        for kind in given.kinds:
            idle = 0.0
            for processes, nice in CONDITIONS:
                with busy(processes, nice):
                    found = row(measure(workload, kind, given.rounds, given.seconds))
                idle = idle or found["open"]
                rows.append({"network": network, "kind": kind, "busy": processes, "nice": nice, **found})
                print(
                    f"{network:14} {kind:10} {processes} busy, nice {nice:2}: one {found['one']:8,.0f}  "
                    f"all {found['all']:8,.0f}  open {found['open']:8,.0f}  {found['ratio']:.2f} of the better "
                    f"({min(found['ratios']):.2f} to {max(found['ratios']):.2f}), {found['open'] / idle:.2f} of idle",
                    flush=True,
                )
    if given.json is not None:
        environment = describe_environment(choose_hardware())
        given.json.write_text(
            json.dumps({"environment": environment, "rows": rows}, indent=1) + "\n", "utf-8"
        )


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    main()

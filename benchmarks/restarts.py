"""Elastic restarts: `torchrun --max-restarts` trains on two processes, one of which is killed again and again.

    python benchmarks/restarts.py --kills 10

kills (SIGKILL) a random one of the two at a random time after each restart's first save, lets the run end, and
compares its final weights with those of a run that nobody disturbed. `--shared-store` leaves the rendezvous' store
shared with the processes, as torchrun does by default.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

COMMAND = ["-m", "convnets", "train", "lenet_bn", "--batch-size", "32", "--ema-decay", "0.9", "--sync-bn"]
COMMAND += ["--threads", "1", "--save-every", "5", "--resume", "auto", "--quiet", "--name", "run"]


def main() -> None:
    """Print a line for each kill and what came of it; exit 1 unless every restart went on exactly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shared-store", action="store_true")
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder, "whole"), Path(folder, "killed")
        started = time.monotonic()
        subprocess.run(command(whole, options.epochs, 0), env=environment(options.shared_store), check=True)
        print(f"undisturbed: {time.monotonic() - started:.1f} s, {weights_hash(whole)[:16]}", flush=True)
        with Path(folder, "errors").open("w") as errors:
            restarting = command(killed, options.epochs, options.kills)
            job = subprocess.Popen(restarting, env=environment(options.shared_store), stderr=errors)
            done = kill_again_and_again(job, killed, options.kills, draw)
            status = job.wait()
        equal = status == 0 and weights_hash(killed) == weights_hash(whole)
        named = Path(folder, "errors").read_text().count("convnets: error: rank")
        print(f"{done} kills, exit status {status}, {named} times the dead rank was named by the other")
        print(
            f"final weights {'identical' if equal else 'DIFFERENT'}: {done if equal else 0} of {options.kills}"
        )
    sys.exit(0 if equal and done == options.kills else 1)


def command(output: Path, epochs: int, restarts: int) -> list[str]:
    """torchrun on two processes of this machine."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    torchrun += ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", f"--max-restarts={restarts}"]
    return [*torchrun, *COMMAND, "--epochs", str(epochs), "--output", str(output)]


def environment(shared_store: bool) -> dict[str, str]:
    """With a store of each attempt's own, unless told otherwise."""
    return os.environ | {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "0" if shared_store else "1"}


def kill_again_and_again(job: subprocess.Popen[bytes], output: Path, kills: int, draw: random.Random) -> int:
    """How many were killed; each time new processes had saved since."""
    seen: set[int] = set()
    for number in range(1, kills + 1):
        started, known = time.monotonic(), saved(output)
        while len(workers := fresh_workers(job, seen)) < 2:
            known = saved(output)  # the processes before may still have been writing
            if job.poll() is not None:
                return number - 1
            time.sleep(0.02)
        while saved(output) == known:
            if job.poll() is not None:
                return number - 1
            time.sleep(0.02)
        waited = time.monotonic() - started
        time.sleep(draw.uniform(0, 0.6))
        rank = draw.randrange(2)
        at = saved(output)
        workers[rank].kill()
        seen |= {worker.pid for worker in workers.values()}
        print(
            f"{number:2}: saved again after {waited:4.1f} s; rank {rank} killed after the save at {at}",
            flush=True,
        )
    return kills


def fresh_workers(job: subprocess.Popen[bytes], seen: set[int]) -> dict[int, psutil.Process]:
    """torchrun's processes by rank, without those of earlier attempts."""
    found = {}
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(job.pid).children():
            if child.pid not in seen and (rank := rank_of(child)) >= 0:
                found[rank] = child
    return found


def rank_of(process: psutil.Process) -> int:
    """The rank that torchrun gave it; -1 for others."""
    return int(process.environ().get("RANK", -1))


def saved(output: Path) -> tuple[int, int] | None:
    """Epochs and steps of the newest state."""
    path = output / "run" / "state" / "latest.json"
    if not path.exists():
        return None
    newest = json.loads(path.read_text())["states"][0]
    return newest["epochs"], newest["step"]


def weights_hash(output: Path) -> str:
    """SHA-256 of the best weights' file."""
    return hashlib.sha256((output / "run" / "model" / "model.safetensors").read_bytes()).hexdigest()


if __name__ == "__main__":
    main()

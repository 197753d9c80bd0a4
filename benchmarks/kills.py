"""A real run killed again and again at random moments, and whether it ends at the very weights of one that was not.

Usage: python benchmarks/kills.py --kills 100 --data fashion-mnist --json kills.json
       python benchmarks/kills.py --kills 30 --kind table --epochs 60 --save-every 20
       python benchmarks/kills.py --kills 30 --kind series --epochs 20 --save-every 20

The same command is started over and over with `--resume auto` and killed by SIGKILL after a random time, inside a save
or not, until it was killed often enough; then it is let run to its end. After each kill the newest state is verified
and read. Both runs have averaged weights, augmentation (a table: dropout) and a one-cycle schedule. What is compared:
the SHA-256 of the final weights, and every figure of metrics.csv but times. The table and the long series are made
here: numbers with gaps, names and dates, and two waves with noise.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from convnets.checkpoints.state_folder import StateFolder
from convnets.training.runs.run import Run
from convnets.training.runs.run_folders import find_runs

# a busy machine's runs change the number of threads by themselves, and with it their last bits
OPTIONS = ["--ema-decay", "0.99", "--threads", "1", "--quiet", "--resume", "auto"]
KINDS = {
    "images": ("lenet_bn", "--augment flip,crop:2"),
    "table": (
        "mlp",
        "--target y --set widths=64,32 --set dropout=0.2 --set batch_norm=true --bins b=frequency:8",
    ),
    "series": ("resnet1d", "--target x --window 32 --horizon 4 --augment jitter,scale,warp"),
}
"""Of each kind the network, and the options that belong to it."""


def made_data(kind: str, folder: Path) -> str:
    """A CSV file of the kind."""
    generator = np.random.default_rng(0)
    path = folder / f"{kind}.csv"
    if kind == "table":
        rows = 4000
        a, b = generator.normal(size=(2, rows))
        names = generator.choice(["p", "q", "r", ""], rows)
        days = np.datetime64("2020-01-01") + generator.integers(0, 1000, rows)
        y = a - 2 * b**2 + (names == "p") + generator.normal(0, 0.1, rows)
        cells = zip(a, np.where(generator.random(rows) < 0.1, np.nan, b), names, days, y, strict=True)
        lines = ["a,b,name,day,y", *(",".join(map(str, row)) for row in cells)]
    else:
        steps = np.arange(3000)
        waves = np.sin(2 * np.pi * steps[:, None] / np.array([12, 29])) + generator.normal(0, 0.1, (3000, 2))
        lines = ["x,z", *(f"{x},{z}" for x, z in waves)]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def command(arguments: argparse.Namespace, output: Path) -> list[str]:
    """The command that is given each time."""
    network, options = KINDS[arguments.kind]
    start = [
        sys.executable,
        "-m",
        "convnets",
        "train",
        arguments.network or network,
        "--data",
        arguments.data,
    ]
    own = ["--epochs", str(arguments.epochs), "--save-every", arguments.save_every, "--output", str(output)]
    return [*start, *own, *options.split(), *OPTIONS]


def outcome(run: Run) -> dict[str, Any]:
    """All that two equal runs share."""
    weights = hashlib.sha256((run.model_folder / "model.safetensors").read_bytes()).hexdigest()
    rows = [{key: value for key, value in row.items() if "second" not in key} for row in run.metrics]
    return {"status": run.status, "weights": weights, "metrics": rows}


def main() -> None:
    """A line per kill, then the verdict; exit status 1 where the runs differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--kind", default="images", choices=KINDS)
    parser.add_argument("--network", help="default: that of the kind")
    parser.add_argument("--data", default="fashion-mnist", help="of images")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--longest", type=float, default=3.0, help="seconds from the first save to a kill")
    parser.add_argument("--save-every", default="50", help="as of `convnets train`")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        if arguments.kind != "images":
            arguments.data = made_data(arguments.kind, Path(folder))
        subprocess.run(command(arguments, whole), check=True)
        kills = early = inside = 0
        while kills < arguments.kills:
            process = subprocess.Popen(command(arguments, killed))
            before, started = latest(killed), time.monotonic()
            while process.poll() is None and latest(killed) == before:
                time.sleep(0.005)
            if process.poll() is None:
                time.sleep(draw.random() * arguments.longest)
            if process.poll() is not None:
                early += 1
                break  # it came to its end before it was killed often enough
            process.kill()
            process.wait()
            kills += 1
            # those of the kills before were removed by the resumed run
            half = list(killed.glob("*/*/.*.tmp"))
            inside += bool(half)
            run, seconds = find_runs(killed)[0], time.monotonic() - started
            state, _ = StateFolder(run.state_folder).load()  # else the list names a torn file
            place = f"{state.epochs} epochs, {state.step} steps{', inside a save' if half else ''}"
            print(f"kill {kills} after {seconds:.2f} s: {run.status} at {place}", flush=True)
        if not early:
            subprocess.run(command(arguments, killed), check=True)
        runs = [find_runs(place) for place in (whole, killed)]
        expected, found = (outcome(each[0]) for each in runs)
        equal = expected == found and len(runs[1]) == 1
    result = {"kills": kills, "inside_a_save": inside, "equal": equal, "expected": expected, "found": found}
    print(
        f"{kills} kills, {inside} inside a save: {'identical' if equal else 'DIFFERENT'} weights and metrics"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(0 if equal and kills == arguments.kills else 1)


def latest(folder: Path) -> bytes:
    """The list of saved states; empty before the first save."""
    files = list(folder.glob("*/state/latest.json"))
    return files[0].read_bytes() if files else b""


if __name__ == "__main__":
    main()

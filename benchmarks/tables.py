"""Read, encode and one epoch of an MLP on a large CSV file: convnets against pandas and plain PyTorch.

Usage: python benchmarks/tables.py [ROWS]   makes a file of ROWS × 50 (a million by default) in a temporary folder and
times both in processes of their own, one after the other, twice; writes seconds and peak memory of each part.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

NUMBERS, NAMES, BATCH, WIDTH = 40, 9, 1024, 64


def make(path: Path, rows: int) -> None:
    """Numbers with a tenth missing, categories of eight names, and a target that depends on both."""
    rng = np.random.default_rng(0)
    with path.open("w", encoding="utf-8") as file:
        header = [*(f"x{i}" for i in range(NUMBERS)), *(f"c{i}" for i in range(NAMES)), "y"]
        file.write(",".join(header) + "\n")
        for start in range(0, rows, 10_000):
            count = min(10_000, rows - start)
            x, names = rng.normal(size=(count, NUMBERS)), rng.integers(0, 8, (count, NAMES))
            y = x[:, 0] - 2 * x[:, 1] * (names[:, 0] > 3) + rng.normal(0, 0.1, count)
            gone = rng.random((count, NUMBERS)) < 0.1
            for row in range(count):
                cells = ["" if no else f"{v:.6f}" for v, no in zip(x[row], gone[row], strict=True)]
                file.write(",".join([*cells, *(f"name{v}" for v in names[row]), f"{y[row]:.6f}"]) + "\n")


def ours(path: Path) -> dict[str, float]:
    """By the route of `convnets train`, without the validation and the report."""
    from convnets.core.hardware import choose_hardware
    from convnets.tables.load_table import load_table
    from convnets.training.config import TrainConfig
    from convnets.training.learner import Learner
    from convnets.training.tables.row_batches import RowBatches
    from convnets.training.tables.table_task import prepare_table

    begun = time.perf_counter()
    table = load_table(path, "y")
    read = time.perf_counter()
    config = TrainConfig(batch_size=BATCH, validation=0.0, precision="fp32")
    task = prepare_table("mlp", table, config, arguments={"widths": [WIDTH]})
    encoded = time.perf_counter()
    learner = Learner(task.network, config, choose_hardware("cpu", "fp32"), objective=task.objective)
    for step, batch in enumerate(RowBatches(task.train, BATCH).epoch()):
        learner.step(batch, 0, step, 0.5)
    return {"read": read - begun, "encode": encoded - read, "epoch": time.perf_counter() - encoded,
            "matrix_mb": task.train.nbytes / 1e6}  # fmt: skip


def plain(path: Path) -> dict[str, float]:
    """As a notebook would: pandas, get_dummies, TensorDataset and DataLoader."""
    import pandas
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    begun = time.perf_counter()
    frame = pandas.read_csv(path)
    read = time.perf_counter()
    y = torch.tensor(((frame["y"] - frame["y"].mean()) / frame["y"].std()).to_numpy(), dtype=torch.float32)
    features = frame.drop(columns="y")
    numbers = features.select_dtypes("number").columns
    flags = features[numbers].isna().add_suffix("_missing")
    filled = features[numbers].fillna(features[numbers].median())
    features[numbers] = (filled - filled.mean()) / filled.std()
    x = torch.tensor(
        pandas.get_dummies(pandas.concat([features, flags], axis=1), dummy_na=True).to_numpy(np.float32)
    )
    encoded = time.perf_counter()
    network = nn.Sequential(nn.Linear(x.shape[1], WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    for inputs, targets in DataLoader(TensorDataset(x, y[:, None]), BATCH, shuffle=True):
        optimizer.zero_grad()
        nn.functional.mse_loss(network(inputs), targets).backward()
        optimizer.step()
    return {"read": read - begun, "encode": encoded - read, "epoch": time.perf_counter() - encoded,
            "matrix_mb": x.nbytes / 1e6}  # fmt: skip


def measured(way: str, path: Path) -> dict[str, Any]:
    """One way in a process of its own."""
    command = [sys.executable, __file__, way, str(path)]
    found: dict[str, Any] = json.loads(
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
    )
    return found


def main() -> None:
    """Write a line for each way and round."""
    if len(sys.argv) > 2:
        found = {"ours": ours, "plain": plain}[sys.argv[1]](Path(sys.argv[2]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        print(
            json.dumps(
                {**found, "total": sum(found[k] for k in ("read", "encode", "epoch")), "peak_mb": peak}
            )
        )
        return
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        make(path, rows)
        print(f"{rows:,} rows × {NUMBERS + NAMES + 1}, {path.stat().st_size / 1e6:,.0f} MB")
        for _ in range(2):
            for way in ("ours", "plain"):
                shown = "  ".join(f"{name} {value:,.1f}" for name, value in measured(way, path).items())
                print(f"{way:<5}  {shown}", flush=True)


if __name__ == "__main__":
    main()

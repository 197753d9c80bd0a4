"""What 8 bits cost and bring: accuracy, milliseconds and megabytes of trained networks in float32 and in int8.

Usage: python benchmarks/int8.py RUN … [--threads N] [--repeats 3] [--json FILE]

Each run is quantized as `convnets export RUN --int8` does it, with ranges from 512 of its training images, and compared
with the float32 file on up to 10,000 of its test images. Both files take turns on batches of 1 and 64. What the
command would refuse is measured all the same, and the reason stands beside it. With `--repeats` the timing is done so
often; the table has the median, and the range of the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from pathlib import Path
from typing import Any

import torch

from convnets.core.environment import describe_environment
from convnets.core.hardware import choose_hardware
from convnets.serving.export.int8_export import Int8Export, measure_int8
from convnets.serving.model_and_images import open_parts
from convnets.training.runs.run import Run


def measured(path: str, repeats: int) -> tuple[list[Int8Export], dict[str, Any]]:
    """The figures of a run, `repeats` times, and how it was trained."""
    run = Run(path)
    trained = run.load()
    parts = open_parts(run, trained)
    found = [measure_int8(trained, parts["train"], parts["test"]) for _ in range(repeats)]
    about = {
        "network": trained.name,
        "data": parts["test"].source,
        "size": trained.preprocess.size,
        "epochs": run.config.epochs,
    }
    return found, about


def row_of(found: list[Int8Export], about: dict[str, Any]) -> dict[str, Any]:
    """Medians and ranges; accuracy and size are the same each time."""
    first, times = found[0], []
    for place, batch in enumerate(each.batch for each in first.milliseconds):
        pairs = [each.milliseconds[place] for each in found]
        ratios = [each.float32 / each.int8 for each in pairs]
        times.append(
            {
                "batch": batch,
                "float32_ms": statistics.median(each.float32 for each in pairs),
                "int8_ms": statistics.median(each.int8 for each in pairs),
                "ratio": statistics.median(ratios),
                "low": min(ratios),
                "high": max(ratios),
            }
        )
    return {
        **about,
        "images": first.images,
        "accuracy": first.accuracy,
        "agreement": first.agreement,
        "megabytes": first.megabytes,
        "weight_bits": first.weight_bits,
        "milliseconds": times,
        "faults": [each.faults for each in found],
    }


def line_of(row: dict[str, Any]) -> str:
    """A line of the table."""
    times = " | ".join(
        f"{each['float32_ms']:.3g} → {each['int8_ms']:.3g} ({each['ratio']:.2f}; {each['low']:.2f}–{each['high']:.2f})"
        for each in row["milliseconds"]
    )
    refused = sorted({", ".join(each) or "left" for each in row["faults"]})
    (before, after), (large, small) = row["accuracy"], row["megabytes"]
    return (
        f"| {row['network']}, {row['data']}, {row['size']} px, {row['epochs']} epochs | {before:.4f} → {after:.4f} | "
        f"{row['agreement']:.2%} | {times} | {large:.2f} → {small:.2f} | {' / '.join(refused)} |"
    )


def main() -> None:
    """A line for each run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    hardware = choose_hardware("cpu", "fp32", given.threads)
    torch.set_num_threads(hardware.threads)
    rows = []
    print(
        "| network | accuracy | same class | batch 1, ms | batch 64, ms | MB | verdict |\n|---|---|---|---|---|---|---|"
    )
    for run in given.runs:
        rows.append(row_of(*measured(run, given.repeats)))
        print(line_of(rows[-1]), flush=True)
    load = os.getloadavg()[0]
    print(f"on {hardware}, {given.repeats} repeats, load {load:.1f} at the end")
    if given.json is not None:
        content = {"environment": describe_environment(hardware), "load": load, "runs": rows}
        given.json.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()

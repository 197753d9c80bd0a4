"""Networks beside simple models on small real data: 5 × 5 folds of tables, 5 folds in time of a series, with intervals.

Usage: python benchmarks/small_tables.py [NAME…]   writes a Markdown table for each data set, or for those named; takes
some minutes. The data are scikit-learn's and statsmodels' own. The options were set once, and tuned on none of them.
Names that end in -quantiles learn the 10 %, 50 % and 90 % quantiles by the pinball loss, with the same options.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from convnets import TrainConfig, load_series, load_table
from convnets.selection.folds.table_folds import TableFolds, cross_validate_table
from convnets.series.examples import ExampleSet

OPTIONS = TrainConfig(epochs=60, batch_size=32, learning_rate=0.01, validation=0.1)
_QUANTILES = "-quantiles"
NETWORKS = {"mlp": {"widths": [32], "dropout": 0.2}, "linear": {}}


def tables() -> dict[str, tuple[ExampleSet, int]]:
    """The data sets by name, with how often the folds are drawn."""
    from sklearn import datasets
    from statsmodels.datasets import sunspots

    found: dict[str, tuple[ExampleSet, int]] = {}
    for name in ("diabetes", "breast_cancer", "wine"):
        bunch = getattr(datasets, f"load_{name}")(as_frame=True)
        frame = bunch.frame
        if name != "diabetes":
            frame["target"] = [str(bunch.target_names[code]) for code in frame["target"]]
        found[name] = load_table(frame, "target"), 5
    years = sunspots.load_pandas().data[["SUNACTIVITY"]].to_numpy().T
    found["sunspots"] = load_series(years, "x1", window=33, horizon=3, period=11), 1
    return found | {f"{name}{_QUANTILES}": found[name] for name in ("diabetes", "sunspots")}


def shown(folds: TableFolds, model: str) -> str:
    """The mean of each measure with its interval."""
    known = folds.figures[folds.network]
    wanted = ("pinball", "r1", "coverage", "width") if "pinball" in known else ("accuracy", "rmse", "r2")
    measures = [key for key in wanted if key in known]
    cells = []
    for measure in measures:
        found = folds.interval(model, measure)
        cells.append(f"{found.estimate:.3f} [{found.low:.3f}, {found.high:.3f}]")
    return " | ".join(cells)


def main() -> None:
    """Write a table for each data set."""
    with tempfile.TemporaryDirectory() as folder:
        for name, (examples, repeats) in tables().items():
            if sys.argv[1:] and name not in sys.argv[1:]:
                continue
            options = replace(OPTIONS, loss="pinball") if name.endswith(_QUANTILES) else OPTIONS
            print(f"\n{name}: {len(examples)} {examples.nouns}", flush=True)
            networks = dict(list(NETWORKS.items())[:1]) if options.quantiles else NETWORKS
            for number, (network, arguments) in enumerate(networks.items()):
                network = (
                    "softmax" if network == "linear" and examples.targets[0].kind == "category" else network
                )
                folds = cross_validate_table(
                    network, examples, options, repeats=repeats, arguments=arguments,
                    output=Path(folder), name=f"{name}-{network}", listeners=(),
                )  # fmt: skip
                for model in folds.figures if number == 0 else (network,):
                    print(f"| {model} | {shown(folds, model)} |", flush=True)
                if number == 0:
                    print("\n".join(str(folds).splitlines()[-4:]), flush=True)


if __name__ == "__main__":
    main()

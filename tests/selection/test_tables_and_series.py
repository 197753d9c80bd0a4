"""Search, replicates and comparison on a table and on series, as on images."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convnets.errors import RunError
from convnets.selection.comparing.bands import bands_figure
from convnets.selection.comparing.groups import read_group, read_replicates
from convnets.selection.comparing.replicate import replicate
from convnets.selection.comparing.standings import stand
from convnets.selection.folds.table_folds import cross_validate_table, read_table_folds
from convnets.selection.search.space import Range
from convnets.selection.search.tune import tune
from convnets.series.examples import ExampleSet
from convnets.series.load_series import load_series
from convnets.tables.load_table import load_table
from convnets.training.config import TrainConfig
from convnets.training.runs.comparison import compare_runs
from convnets.training.runs.run import Run

QUICK = TrainConfig(epochs=3, batch_size=16, learning_rate=0.02)


def examples(kind: str) -> ExampleSet:
    rng = np.random.default_rng(0)
    if kind == "series":
        return load_series(np.sin(np.arange(160) / 2)[None] + rng.normal(0, 0.1, (1, 160)), "x1", window=12)
    x = rng.normal(size=(120, 3))
    return load_table(np.column_stack([x, x @ [1.0, -2, 0] + rng.normal(0, 0.1, 120)]), "x4")


@pytest.mark.parametrize("kind", ["table", "series"])
def test_a_search_ranks_by_r2_on_validation(kind: str, tmp_path: Path) -> None:
    space = {"learning_rate": Range(1e-5, 0.05, log=True)}
    found = tune("linear", examples(kind), QUICK, trials=3, space=space, output=tmp_path, name="s")
    assert list(found.settings["content_hash"]) == [kind]
    scores = {each.number: each.accuracy for each in found.tried}
    for number, score in scores.items():
        assert score == Run(tmp_path / "s" / "trials" / f"trial{number}").results["validation"]["r2"]
    assert found.best.accuracy == max(scores.values())
    again = tune(
        "linear", examples(kind), QUICK, trials=4, space=space, output=tmp_path, name="s", go_on=True
    )
    assert len(again.tried) == 4
    assert "learning_rate" in (tmp_path / "s" / "best.toml").read_text()


def test_what_is_tried_by_itself_suits_a_table(tmp_path: Path) -> None:
    found = tune("mlp", examples("table"), QUICK, trials=1, output=tmp_path, name="s")
    assert set(found.tried[0].options) == {
        "learning_rate", "batch_size", "weight_decay", "schedule", "initializer", "dropout", "width"
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["table", "series"])
def test_seeds_and_folds_are_compared(kind: str, tmp_path: Path) -> None:
    for network in ("linear", "mlp"):
        replicate(network, examples(kind), QUICK, seeds=3, output=tmp_path, name=network, listeners=())
        cross_validate_table(
            network, examples(kind), QUICK, folds=3, output=tmp_path, name=f"cv-{network}", listeners=()
        )
    seeds = stand([read_group(tmp_path / name) for name in ("linear", "mlp")])
    assert [method.count for method in seeds.methods] == [3, 3]
    wanted = np.mean([Run(tmp_path / "mlp" / f"seed{seed}").results["validation"]["r2"] for seed in range(3)])
    assert seeds.methods[1].mean == pytest.approx(wanted)
    assert (seeds.score, str(seeds).splitlines()[0]) == ("r2", "R² (validation)")
    groups = [read_replicates(tmp_path / name) for name in ("linear", "mlp")]
    assert "Validation R²" in bands_figure(groups).axes[0].get_title(loc="left")
    others = replace(read_group(tmp_path / "mlp"), name="of classes", score="accuracy")
    with pytest.raises(RunError, match="linear has R² and of classes accuracy"):
        stand([read_group(tmp_path / "linear"), others])
    compared = compare_runs([Run(tmp_path / name / "seed0") for name in ("linear", "mlp")])
    rows = {row[0]: row[1:] for row in compared.table()[1]}
    assert rows["validation R²"] == [f"{groups[at].values()[0]:.4g}" for at in (0, 1)]
    assert "validation accuracy" not in rows
    assert compared.to_dict()["runs"][0]["validation_r2"] == groups[0].values()[0]
    folds = stand([read_group(tmp_path / name) for name in ("cv-linear", "cv-mlp")])
    assert folds.pairs[0].pairs == 3
    kept = read_table_folds(tmp_path / "cv-mlp")
    assert folds.methods[1].mean == pytest.approx(np.mean(kept.figures["mlp"]["r2"]))
    record = json.loads((tmp_path / "cv-mlp" / "table-folds.json").read_text())
    record["fold_names"].pop()
    (tmp_path / "cv-mlp" / "table-folds.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match="is damaged"):
        read_group(tmp_path / "cv-mlp")
    (tmp_path / "cv-mlp" / "table-folds.json").write_text("{")
    with pytest.raises(RunError, match="is damaged"):
        read_group(tmp_path / "cv-mlp")

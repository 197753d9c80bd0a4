"""`convnets replicate`, and `compare` of what it leaves."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convnets.data.sources import load_data
from convnets.evaluation.evaluate import evaluate
from convnets.training.runs.run import Run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("replicates")


def test_replicates_and_their_comparison(
    convnets: Callable[..., Any], refused: Callable[..., str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    own = ("--epochs", 1, "--threads", 1, "--precision", "fp32")
    first = convnets("replicate", "softmax", *own, "--seeds", 2, "--name", "a", "--json")
    assert first.status == 0
    runs = [Run(f"runs/a/seed{seed}") for seed in (0, 1)]
    values = [run.results["validation"]["accuracy"] for run in runs]
    assert first.json["methods"][0]["mean"] == pytest.approx(np.mean(values))
    assert first.json["methods"][0]["std"] == pytest.approx(np.std(values, ddof=1))
    more = convnets("replicate", "softmax", *own, "--seeds", 3, "--name", "a", "--resume", "-q")
    assert more.status == 0
    assert convnets("replicate", "mlp", *own, "--lr", 0.02, "--seeds", 3, "--name", "b", "-q").status == 0
    shown = convnets("compare", "runs/a", "runs/b", "--picture", "bands.png")
    assert shown.status == 0
    assert "a − b" in shown.out
    assert Path("bands.png").stat().st_size > 5000
    test = convnets("compare", "runs/a", "runs/b", "--metric", "test", "--json").json
    assert test["methods"][0]["count"] == 3
    accuracies = [
        [Run(f"runs/{name}/seed{seed}").results["test"]["accuracy"] for seed in range(3)] for name in "ab"
    ]
    gap = np.subtract(*accuracies).mean()
    assert test["pairs"][0]["difference"]["estimate"] == pytest.approx(gap)
    assert convnets("compare", "runs/a", "runs/b", "--format", "markdown").out.startswith("| method")
    assert "give one" in refused(2, "compare", "runs/a", "runs/b", "--json", "--format", "csv")
    Path("runs/mixed").mkdir()
    for name in ("a", "b"):
        shutil.copytree(f"runs/{name}/seed0", f"runs/mixed/{name}")
    assert "a group differs in the seed alone" in refused(1, "compare", "runs/mixed", "runs/b")


def test_mcnemar_asks_the_same_images(
    convnets: Callable[..., Any], refused: Callable[..., str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    found = convnets("compare", "runs/a/seed0", "runs/b/seed0", "--mcnemar", "--json").json
    test = load_data("digits").test
    assert test is not None
    right = []
    for name in ("a", "b"):
        model = Run(f"runs/{name}/seed0").load()
        said = evaluate(model.network, test, model.preprocess).probabilities.argmax(1)
        right.append((said == test.labels).numpy())
    assert found["pairs"][0]["only_first"] == int((right[0] & ~right[1]).sum())
    assert found["pairs"][0]["only_second"] == int((right[1] & ~right[0]).sum())
    assert "two or more" in refused(2, "compare", "runs/a/seed0", "--mcnemar")

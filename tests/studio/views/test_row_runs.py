"""Runs on tables and series: their curves are shown, and views that are for images say so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import convnets


def test_they_are_listed_with_their_curves(row_runs: Path, studio: Callable[..., TestClient]) -> None:
    with studio(row_runs) as client:
        rows = {row["name"]: row for row in client.get("/api/runs").json()["runs"]}
        found = {name: (row["examples"], row["measure"]) for name, row in rows.items()}
        assert found == {
            "numbers": ("table", "R²"),
            "classes": ("table", None),
            "windows": ("series", "R²"),
            "images": ("images", None),
        }
        for name in rows:
            run = convnets.Run(row_runs / name)
            one = client.get(f"/api/runs/{name}").json()
            assert one["metrics"] == run.metrics
            assert rows[name]["accuracy"] == max(row["validation_accuracy"] or -9 for row in run.metrics)
        compared = client.get("/api/compare?runs=numbers,windows").json()
        assert len(compared["head"]) == 3


@pytest.mark.parametrize(
    "path",
    [
        *("/network/graph?", "/data?", "/explain?method=grad-cam&", "/explain/choices?"),
        *("/runs/{run}/batch?epoch=1&step=1&", "/network/thumbnails?image=0&"),
    ],
)
@pytest.mark.parametrize("name", ["numbers", "windows"])
def test_views_of_images_say_so_in_a_sentence(
    path: str, name: str, row_runs: Path, studio: Callable[..., TestClient]
) -> None:
    with studio(row_runs) as client:
        answer = client.get(f"/api{path.format(run=name)}run={name}")
        assert answer.status_code == 422, answer.text
        assert (
            f"{name} was trained on a table or on series, and this view is for images"
            in answer.json()["error"]
        )

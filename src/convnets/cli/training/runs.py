"""`convnets runs`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convnets.cli.output import aligned, write_json
from convnets.errors import ConvnetsError, RunError

if TYPE_CHECKING:
    from convnets.training.runs.run import Run

__all__ = ["runs"]


def runs(
    folder: Annotated[Path, typer.Argument(help="Folder that runs lie in.", metavar="[FOLDER]")] = Path(
        "runs"
    ),
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """List runs, and how each of them ended.

    A run that is "cut off" was killed, or its machine went down; it goes on from its last save by --resume.

    Example: convnets runs
    """
    from convnets.training.runs.run_folders import find_runs

    if not folder.is_dir():
        raise RunError(
            f"{folder} is not a folder; give the one that runs lie in, as --output of convnets train"
        )
    rows = [_row(run) for run in find_runs(folder)]
    if json:
        write_json(rows)
        return
    if not rows:
        typer.echo(f"no runs in {folder}; start with: convnets train lenet_bn --data digits")
        return
    header = ("run", "network", "epochs", "validation", "test", "status")
    typer.echo(aligned(header, [_cells(row) for row in rows], right=(2, 3, 4)))


def _row(run: Run) -> dict[str, Any]:
    """Plain values; a damaged run says so in its status, and hides no other."""
    row: dict[str, Any] = {"run": run.name, "path": str(run.path)}
    try:
        results = run.results
        row |= {
            "network": run.network_name,
            "data": run.data_name,
            "epochs_done": len(run.metrics),
            "epochs": run.config.epochs,
            "validation_accuracy": results.get("validation", {}).get("accuracy"),
            "test_accuracy": results.get("test", {}).get("accuracy"),
            "validation_score": run.score("validation"),  # of numbers R², of quantiles R¹
            "test_score": run.score("test"),
            "started": run.environment.get("started"),
            "status": run.status,
        }
    except (ConvnetsError, AttributeError) as error:
        row["status"] = f"damaged: {error}"
    return row


def _cells(row: dict[str, Any]) -> list[str]:
    done, epochs = row.get("epochs_done"), row.get("epochs")
    scores = [row.get("validation_score"), row.get("test_score")]
    return [
        row["run"],
        str(row.get("network", "–")),
        "–" if done is None else f"{done}/{epochs}",
        *("–" if value is None else f"{value:.4f}" for value in scores),
        row["status"],
    ]

"""`convnets compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convnets.cli.output import aligned, check_file, progress_bar, write_json
from convnets.errors import UsageError

__all__ = ["compare"]


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Runs, or folders of replicate or cross-validate.", metavar="RUN"),
    ],
    picture: Annotated[
        Path | None,
        typer.Option(help="Also draw their curves here; of replicates with bands.", metavar="FILE.svg"),
    ] = None,
    metric: Annotated[
        str,
        typer.Option(
            help="Accuracy that replicates are compared by: validation, to choose; test, to confirm once.",
            metavar="NAME",
        ),
    ] = "validation",
    mcnemar: Annotated[
        bool, typer.Option("--mcnemar", help="Ask the networks about the same test images; exact test.")
    ] = False,
    form: Annotated[
        str, typer.Option("--format", help="text, markdown, latex or csv.", metavar="NAME")
    ] = "text",
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Set runs side by side, and rank what is not chance.

    Of single runs what they reached, what it cost, and the options in which they differ. Of folders of runs from
    several seeds (or folds) mean, interval and paired differences, ranked only where the difference is decided.

    Example: convnets compare runs/lenet-digits-1 runs/lenet_bn-digits-1
    """
    check_file(picture)
    single = all((path / "environment.json").exists() or not path.is_dir() for path in runs)
    if mcnemar:
        _compare_answers(runs, json=json)
    elif single:
        _compare_runs(runs, picture, json=json)
    else:
        _compare_groups(runs, picture, metric, form, json=json)


def _compare_runs(runs: list[Path], picture: Path | None, *, json: bool) -> None:
    from convnets.training.runs.comparison import compare_runs
    from convnets.training.runs.run import Run

    comparison = compare_runs([Run(path) for path in runs])
    if picture is not None:
        picture.parent.mkdir(parents=True, exist_ok=True)
        comparison.draw(picture)
    if json:
        write_json(comparison.to_dict())
        return
    typer.echo(aligned(*comparison.table(), right=range(1, len(runs) + 1)))
    if picture is not None:
        typer.echo(f"picture: {picture}")


def _compare_groups(paths: list[Path], picture: Path | None, metric: str, form: str, *, json: bool) -> None:
    from convnets.explanation.pictures.figure_file import write_figure
    from convnets.presentation.standings_table import format_standings
    from convnets.selection.comparing.bands import bands_figure
    from convnets.selection.comparing.groups import read_group, read_replicates
    from convnets.selection.comparing.standings import stand

    if json and form != "text":
        raise UsageError(f"--json and --format {form} exclude each other; give one")
    standings = stand([read_group(path, metric) for path in paths], metric)
    if picture is not None:
        write_figure(picture, bands_figure([read_replicates(path) for path in paths]), "Curves with bands")
    if json:
        write_json(standings.to_dict())
        return
    typer.echo(format_standings(standings, form))
    if picture is not None:
        typer.echo(f"picture: {picture}")


def _compare_answers(runs: list[Path], *, json: bool) -> None:
    from convnets.serving.compared_answers import compare_answers

    with progress_bar(quiet=json) as progress:
        found = compare_answers(runs, progress=progress)
    if json:
        write_json(found.to_dict())
    else:
        typer.echo(str(found))

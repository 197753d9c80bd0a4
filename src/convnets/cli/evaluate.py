"""`convnets evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convnets.cli.output import progress_bar, write_json

__all__ = ["evaluate"]


def evaluate(
    run: Annotated[Path, typer.Argument(help="Run, or model folder.")],
    data: Annotated[
        str | None, typer.Option(help="Data set's name, or a folder or zip. [default: the run's]")
    ] = None,
    part: Annotated[
        str | None, typer.Option(help="train, validation or test. [default: the last that is there]")
    ] = None,
    views: Annotated[int, typer.Option(help="Crops averaged per picture: 1, 5 or 10.")] = 1,
    mistakes: Annotated[int, typer.Option(help="How many of the most confident mistakes to list.")] = 5,
    report: Annotated[
        Path | None, typer.Option(help="Also write a report page here.", metavar="FILE.html")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Measure a trained network on labelled images: accuracy, per class, calibration, worst mistakes.

    Example: convnets evaluate runs/lenet_bn-digits-1
    """
    from convnets.core.hardware import choose_hardware
    from convnets.serving.evaluation import evaluate_model, write_evaluation_report

    with progress_bar(quiet=json) as progress:
        judged = evaluate_model(
            run, data, part=part, views=views, hardware=choose_hardware(device, precision), progress=progress
        )
    if report is not None:
        write_evaluation_report(report, judged)
    if json:
        write_json({"part": judged.part, "source": judged.images.source, **judged.evaluation.to_dict()})
        return
    typer.echo(f"{judged.images.source}, {judged.part}")
    typer.echo(str(judged.evaluation))
    worst = judged.evaluation.mistakes(mistakes)
    if worst:
        typer.echo("\nmost confident mistakes")
    for each in worst:
        typer.echo(f"image {each.index}: {each.true} taken for {each.predicted}, {each.confidence:.3f}")
    if report is not None:
        typer.echo(f"report: {report}")

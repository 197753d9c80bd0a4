"""`convnets evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convnets.cli.numbers import whole_number
from convnets.cli.output import check_file, progress_bar, write_json
from convnets.cli.placement import Device, EngineName, Precision
from convnets.cli.serving.tables import evaluate_table, is_for_tables, refuse_image_options
from convnets.errors import UsageError

__all__ = ["evaluate"]


def evaluate(
    run: Annotated[Path, typer.Argument(help="Run, model folder or ONNX file.", metavar="RUN")],
    data: Annotated[
        str | None,
        typer.Option(
            help="Data set's name, a folder or zip, or a table. [default: the run's]", metavar="DATA"
        ),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(help="train, validation or test. [default: the last that is there]", metavar="PART"),
    ] = None,
    views: Annotated[
        int,
        typer.Option(help="Views averaged per picture: 1, 2, 5, 6 or 10.", metavar="N", parser=whole_number),
    ] = 1,
    mistakes: Annotated[
        int,
        typer.Option(
            help="How many of the most confident mistakes to list.", metavar="N", parser=whole_number
        ),
    ] = 5,
    report: Annotated[
        Path | None, typer.Option(help="Also write a report page here.", metavar="FILE.html")
    ] = None,
    segments: Annotated[
        str | None,
        typer.Option(
            help="Of tables and series: also measure by the values of this column; numbers in quarters.",
            metavar="COLUMN",
        ),
    ] = None,
    corruptions: Annotated[
        bool,
        typer.Option("--corruptions", help="Accuracy under eighteen corruptions at five severities instead."),
    ] = False,
    picture: Annotated[
        Path | None,
        typer.Option(
            help="Draw here: with --corruptions accuracy by severity, with --segments RMSE or accuracy by segment.",
            metavar="FILE.png",
        ),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(help="With --corruptions: show one image under each here.", metavar="FILE.png"),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="With --corruptions: a run whose errors count as 1.", metavar="RUN"),
    ] = None,
    device: Device = "auto",
    precision: Precision = "auto",
    engine: EngineName = "convnets",
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Measure a trained network on labeled examples.

    Of images accuracy, loss, precision and recall by class, calibration, and the most confident mistakes; of rows of
    a table the same or RMSE, MAE, R² and log-RMSE, beside simple models; of quantiles pinball loss and coverage.

    Example: convnets evaluate runs/lenet_bn-digits-1
    """
    if mistakes < 0:
        raise UsageError(f"mistakes is {mistakes}; allowed: 0 or more")
    for name, value in (("--sheet", sheet), ("--against", against)):
        if value is not None and not corruptions:
            raise UsageError(f"{name} without --corruptions, which it belongs to; add --corruptions")
    if picture is not None and not corruptions and segments is None:
        raise UsageError(
            "--picture without --corruptions or --segments, which it belongs to; add one of them"
        )
    if corruptions and engine != "convnets":
        raise UsageError(f"--engine {engine} with --corruptions, which convnets computes; leave one out")
    for path in (report, picture, sheet):
        check_file(path)
    if is_for_tables(run):
        given = {"views": views != 1, "corruptions": corruptions, "report": report is not None}
        given["engine"] = engine != "convnets"
        refuse_image_options(run, {**given, "mistakes": mistakes != 5})
        evaluate_table(run, data, part, (device, precision), json=json, segments=segments, picture=picture)
        return
    if segments is not None:
        raise UsageError(
            f"--segments is for tables and series, and {run} was trained on images; leave it out"
        )
    if corruptions:
        _evaluate_corrupted((run, against), data, part, (picture, sheet), (device, precision), json=json)
        return
    from convnets.core.hardware import choose_hardware
    from convnets.serving.evaluation import evaluate_model, write_evaluation_report

    with progress_bar(quiet=json) as progress:
        judged = evaluate_model(
            run,
            data,
            part=part,
            views=views,
            hardware=choose_hardware(device, precision),
            engine=engine,
            progress=progress,
        )
    if engine != "convnets":
        typer.echo(judged.engine, err=True)
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
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


def _evaluate_corrupted(
    runs: tuple[Path, Path | None],
    data: str | None,
    part: str | None,
    wanted: tuple[Path | None, Path | None],
    hardware: tuple[str, str],
    *,
    json: bool,
) -> None:
    from convnets.core.hardware import choose_hardware
    from convnets.explanation.pictures.figure_file import write_figure
    from convnets.serving.corrupted import draw_corruptions, evaluate_corrupted

    (run, against), (picture, sheet) = runs, wanted
    with progress_bar(quiet=json) as progress:
        found, relative = evaluate_corrupted(
            run, data, part=part, against=against, hardware=choose_hardware(*hardware), progress=progress
        )
    if picture is not None:
        write_figure(picture, found.figure(), "Accuracy under corruptions")
    if sheet is not None:
        draw_corruptions(sheet, run, data, part=part)
    if json:
        against_it = {} if relative is None else {"against": str(against), "relative_error": relative}
        write_json({**found.to_dict(), **against_it})
        return
    typer.echo(str(found))
    if relative is not None:
        typer.echo(f"\nerrors relative to {against}: {relative:.3f}, mean over corruptions")
    for path in (picture, sheet):
        if path is not None:
            typer.echo(f"picture: {path}")

"""`convnets cross-validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convnets.cli.numbers import whole_number
from convnets.cli.output import progress_bar, write_json
from convnets.cli.training.options import takes_train_options
from convnets.cli.training.run_listener import EXIT_CODES, RunListener, writer
from convnets.cli.training.table_options import network_arguments, opened_examples, takes_table_options
from convnets.errors import UsageError
from convnets.training.config import TrainConfig
from convnets.training.options.toml_file import options_and_arguments

if TYPE_CHECKING:
    from convnets.series.examples import ExampleSet

__all__ = ["cross_validate"]


@takes_table_options
@takes_train_options
def cross_validate(
    *,
    model: Annotated[str, typer.Argument(help="Network's name (see: convnets models).", metavar="MODEL")],
    data: Annotated[
        str,
        typer.Option(
            help="Data set's name, a folder or zip of images, or with --target a table.", metavar="DATA"
        ),
    ] = "digits",
    folds: Annotated[
        int, typer.Option(help="Parts, each held out once.", metavar="K", parser=whole_number)
    ] = 5,
    repeats: Annotated[
        int,
        typer.Option(help="How often all of it is done, shuffled anew.", metavar="R", parser=whole_number),
    ] = 1,
    group_by: Annotated[
        str | None,
        typer.Option(
            help="Pattern on pictures' paths; what it finds is never in two parts, such as 'patient[0-9]+'.",
            metavar="REGEX",
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option(help="Folds trained side by side.", metavar="N", parser=whole_number)
    ] = 1,
    config: Annotated[
        Path | None, typer.Option(help="TOML file of options; those given here win.", metavar="FILE")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "--out", "-o", help="Folder that runs lie in.", metavar="FOLDER")
    ] = Path("runs"),
    name: Annotated[
        str | None, typer.Option(help="Name of the folder in it. [default: network, data]", metavar="NAME")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where it was stopped; folds that have ended are kept.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Write the result as JSON, and no rows.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Write the result alone.")] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Argument of the network on a table; again for another.", metavar="NAME=VALUE"
        ),
    ] = None,
    options: dict[str, Any],
    table: dict[str, str],
) -> None:
    """Train on K folds, and judge each on what it left out.

    Leaves K runs, the out-of-fold probabilities of every image, and the ensemble of the folds as one model folder. On
    a table: K runs, and the figures beside those of simple models on the same folds.

    Example: convnets cross-validate lenet_bn --data digits --folds 5
    """
    base, arguments = options_and_arguments(config)
    arguments |= network_arguments(set_)
    settings = TrainConfig.from_dict(base | options, str(config or "options"))
    rows = opened_examples(data, table)
    if rows is not None:
        if group_by is not None or jobs != 1:
            raise UsageError("--group-by and --jobs are for images; leave them out for a table")
        _cross_validate_table(
            model, rows, settings, folds, repeats, arguments, output, name, resume, json=json, quiet=quiet
        )
        return
    from convnets.selection.folds.cross_validate import cross_validate as train_folds

    with progress_bar(quiet=quiet or json) as progress:
        listener = RunListener(progress, writer(json=False, quiet=quiet or json))
        found = train_folds(
            model,
            data,
            settings,
            folds=folds,
            arguments=arguments,
            repeats=repeats,
            groups=group_by,
            output=output,
            name=name,
            go_on=resume,
            jobs=jobs,
            listeners=[listener],
            progress=progress,
        )
    if json:
        write_json(found.to_dict())
    else:
        typer.echo(str(found))
        if found.complete:
            typer.echo(f"ensemble of the folds: {found.model_folder}")
    if found.stopped is not None:
        raise typer.Exit(EXIT_CODES[found.stopped])


def _cross_validate_table(
    model: str,
    rows: ExampleSet,
    settings: TrainConfig,
    folds: int,
    repeats: int,
    arguments: dict[str, Any],
    output: Path,
    name: str | None,
    go_on: bool,
    *,
    json: bool,
    quiet: bool,
) -> None:
    from convnets.selection.folds.table_folds import cross_validate_table

    with progress_bar(quiet=True) as progress:
        listener = RunListener(progress, writer(json=False, quiet=quiet or json))
        found = cross_validate_table(
            model, rows, settings, folds=folds, repeats=repeats, arguments=arguments, output=output, name=name,
            go_on=go_on, listeners=[listener],
        )  # fmt: skip
    if json:
        write_json(found.to_dict())
    else:
        typer.echo(str(found))
    if found.stopped is not None:
        raise typer.Exit(EXIT_CODES[found.stopped])

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
from convnets.training.config import TrainConfig
from convnets.training.options.toml_file import options_and_arguments

if TYPE_CHECKING:
    from convnets.selection.folds.cross_validation import CrossValidation
    from convnets.selection.folds.table_folds import TableFolds

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
            help="Of a table the column whose equal values are never in two parts; of pictures and sounds a pattern "
            "on their paths, such as 'patient[0-9]+'.",
            metavar="COLUMN|REGEX",
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
    rows = opened_examples(data, table, group_by)
    if rows is not None:
        from convnets.selection.folds.table_folds import cross_validate_table as train_rows

        with progress_bar(quiet=quiet or json or jobs == 1) as progress:
            listener = RunListener(progress, writer(json=False, quiet=quiet or json))
            judged = train_rows(
                model,
                rows,
                settings,
                folds=folds,
                repeats=repeats,
                arguments=arguments,
                output=output,
                name=name,
                groups=group_by,
                go_on=resume,
                jobs=jobs,
                listeners=[listener],
                progress=progress,
            )
        _show(judged, json=json)
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
    _show(found, json=json)


def _show(found: CrossValidation | TableFolds, *, json: bool) -> None:
    """The result; exits as a run does that was stopped."""
    from convnets.selection.folds.table_folds import TableFolds

    if json:
        write_json(found.to_dict())
    else:
        typer.echo(str(found))
        if not isinstance(found, TableFolds) and found.complete:
            typer.echo(f"ensemble of the folds: {found.model_folder}")
    if found.stopped is not None:
        raise typer.Exit(EXIT_CODES[found.stopped])

"""`convnets cross-validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from convnets.cli.numbers import whole_number
from convnets.cli.output import progress_bar, write_json
from convnets.cli.training.options import takes_train_options
from convnets.cli.training.run_listener import EXIT_CODES, RunListener, writer
from convnets.training.config import TrainConfig
from convnets.training.options.toml_file import options_and_arguments

__all__ = ["cross_validate"]


@takes_train_options
def cross_validate(
    *,
    model: Annotated[str, typer.Argument(help="Network's name (see: convnets models).", metavar="MODEL")],
    data: Annotated[
        str, typer.Option(help="Data set's name, or a folder or zip of images.", metavar="DATA")
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
    options: dict[str, Any],
) -> None:
    """Train on K folds, and judge each on what it left out.

    Leaves K runs, the out-of-fold probabilities of every image, and the ensemble of the folds as one model folder.

    Example: convnets cross-validate lenet_bn --data digits --folds 5
    """
    base, arguments = options_and_arguments(config)
    settings = TrainConfig.from_dict(base | options, str(config or "options"))
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

"""`convnets replicate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from convnets.cli.numbers import whole_number
from convnets.cli.output import progress_bar, write_json
from convnets.cli.training.options import takes_train_options
from convnets.cli.training.run_listener import EXIT_CODES, RunListener, writer
from convnets.cli.training.table_options import opened_examples, takes_table_options
from convnets.training.config import TrainConfig
from convnets.training.options.toml_file import options_and_arguments

__all__ = ["replicate"]


@takes_table_options
@takes_train_options
def replicate(
    *,
    model: Annotated[str, typer.Argument(help="Network's name (see: convnets models).", metavar="MODEL")],
    data: Annotated[
        str,
        typer.Option(
            help="Data set's name, a folder or zip of images, or with --target a table.", metavar="DATA"
        ),
    ] = "digits",
    seeds: Annotated[int, typer.Option(help="Runs, from --seed on.", metavar="N", parser=whole_number)] = 5,
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
        bool, typer.Option("--resume", help="Go on, or add seeds; runs that have ended are kept.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Write the result as JSON, and no rows.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Write the result alone.")] = False,
    options: dict[str, Any],
    table: dict[str, str],
) -> None:
    """Train the same from several seeds, with mean and interval.

    Leaves a folder of ordinary runs, which `convnets compare` sets beside others.

    Example: convnets replicate lenet_bn --data digits --seeds 5
    """
    base, arguments = options_and_arguments(config)
    settings = TrainConfig.from_dict(base | options, str(config or "options"))
    rows = opened_examples(data, table)
    from convnets.selection.comparing.groups import read_group
    from convnets.selection.comparing.replicate import replicate as train_all
    from convnets.selection.comparing.standings import stand

    with progress_bar(quiet=quiet or json) as progress:
        listener = RunListener(progress, writer(json=False, quiet=quiet or json))
        found = train_all(
            model,
            rows or data,
            settings,
            seeds=seeds,
            arguments=arguments,
            output=output,
            name=name,
            go_on=resume,
            listeners=[listener],
            progress=progress,
        )
    if found.stopped is not None:
        raise typer.Exit(EXIT_CODES[found.stopped])
    metric = "validation" if "validation" in found.runs[0].results else "test"
    standings = stand([read_group(found.path, metric)], metric)
    if json:
        write_json({"path": str(found.path), **standings.to_dict()})
    else:
        typer.echo(f"{standings}\n\nruns: {found.path}")

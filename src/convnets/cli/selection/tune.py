"""`convnets tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from convnets.cli.numbers import real_number, whole_number
from convnets.cli.output import check_file, progress_bar, write_json
from convnets.cli.training.options import takes_train_options
from convnets.cli.training.run_listener import EXIT_CODES, RunListener, writer
from convnets.cli.training.table_options import opened_examples, takes_table_options
from convnets.training.config import TrainConfig
from convnets.training.options.toml_file import options_and_arguments

__all__ = ["tune"]


@takes_table_options
@takes_train_options
def tune(
    *,
    model: Annotated[str, typer.Argument(help="Network's name (see: convnets models).", metavar="MODEL")],
    data: Annotated[
        str,
        typer.Option(
            help="Data set's name, a folder or zip of images, or with --target a table.", metavar="DATA"
        ),
    ] = "digits",
    trials: Annotated[
        int, typer.Option(help="Trials in all, of all workers.", metavar="N", parser=whole_number)
    ] = 50,
    minutes: Annotated[
        float | None, typer.Option(help="Begin no trial after so long.", metavar="X", parser=real_number)
    ] = None,
    sampler: Annotated[
        str, typer.Option(help="random, tpe, qmc, or grid (all of them).", metavar="NAME")
    ] = "random",
    pruner: Annotated[str, typer.Option(help="none, median or hyperband.", metavar="NAME")] = "none",
    space: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with a table [space]: learning_rate = { low = 1e-3, high = 0.1, log = true }.",
            metavar="FILE",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="Weigh accuracy against seconds (of training), macs or parameters; list what no other beats.",
            metavar="COST",
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            help="PostgreSQL database for workers on many machines. [default: a file in the folder]",
            metavar="postgresql://USER@HOST:PORT/DATABASE",
        ),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            help="Draw history, importance, slices, parallel coordinates (and the front) into this folder.",
            metavar="FOLDER",
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(help="Write the best options here, for train --config.", metavar="FILE.toml"),
    ] = None,
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
        bool, typer.Option("--resume", help="Go on, add trials, or join as a further worker.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Write the result as JSON, and no rows.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Write the result alone.")] = False,
    options: dict[str, Any],
    table: dict[str, str],
) -> None:
    """Search for better options on validation images.

    Options given here are not tried. The test images are not looked at: confirm the choice once, with replicate.

    Example: convnets tune lenet_bn --data digits --trials 20 --epochs 3
    """
    check_file(export)
    check_file(None if pictures is None else pictures / "history.png")
    base, arguments = options_and_arguments(config)
    settings = TrainConfig.from_dict(base | options, str(config or "options"))
    rows = opened_examples(data, table)
    from convnets.core.storage.files import write_text
    from convnets.selection.search.space import default_space, space_from_toml
    from convnets.selection.search.tune import tune as search

    tried = {
        key: part
        for key, part in default_space(model, settings.optimizer, images=rows is None).items()
        if key not in options and key not in arguments
    }
    if space is not None:
        tried = space_from_toml(space, model, tried)
    with progress_bar(quiet=quiet or json) as progress:
        listener = RunListener(progress, writer(json=False, quiet=quiet or json))
        found = search(
            model,
            rows or data,
            settings,
            trials=trials,
            arguments=arguments,
            minutes=minutes,
            sampler=sampler,
            pruner=pruner,
            space=tried,
            against=against,
            storage=storage,
            output=output,
            name=name,
            go_on=resume,
            listeners=[listener],
            progress=progress,
        )
    if export is not None:
        write_text(export, found.toml())
    if pictures is not None:
        from convnets.explanation.pictures.figure_file import write_figure
        from convnets.selection.search.pictures import search_figures

        for picture, figure in search_figures(found).items():
            write_figure(pictures / f"{picture}.png", figure, f"The search: {picture}")
    if json:
        write_json(found.to_dict())
    else:
        typer.echo(f"{found}\n\nbest options: {export or found.path / 'best.toml'}")
        if pictures is not None:
            typer.echo(f"pictures: {pictures}")
    if found.stopped is not None:
        raise typer.Exit(EXIT_CODES[found.stopped])

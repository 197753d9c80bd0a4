"""`convnets train`."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convnets.cli.output import progress_bar
from convnets.cli.training.options import as_given, takes_train_options
from convnets.cli.training.run_listener import EXIT_CODES, RunListener, writer
from convnets.cli.training.table_options import network_arguments, opened_examples, takes_table_options
from convnets.core.distributed.process_group import rank_in_environment
from convnets.errors import RunError, UsageError
from convnets.training.config import TrainConfig
from convnets.training.options.toml_file import options_and_arguments

if TYPE_CHECKING:
    from convnets.training.runs.run import Run

__all__ = ["train"]


@takes_table_options
@takes_train_options
def train(
    *,
    model: Annotated[
        str | None,
        typer.Argument(
            help="Network's name (see: convnets models), or a recipe's. [default: that of --from]",
            metavar="MODEL",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Data set's name, a folder or zip of images, or with --target a table. [default: digits, or those of "
            "--from RUN]",
            metavar="DATA",
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="Named run (see: convnets recipes); other options change it.", metavar="NAME"),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file of options; those given here win.", metavar="FILE"),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            help="Go on with a run that was stopped (--data: where its images are now); auto: with that of this "
            "command, if any.",
            metavar="RUN|auto",
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "--out", "-o", help="Folder that runs lie in.", metavar="FOLDER")
    ] = Path("runs"),
    name: Annotated[
        str | None,
        typer.Option(help="Name of the run. [default: network, data, number]", metavar="NAME"),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Argument of the network, such as widths=64,32 of mlp; again for another.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    amp: Annotated[
        bool | None,
        typer.Option("--amp/--no-amp", help="Short for --precision bf16, and fp32.", show_default=False),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write each event as a line of JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Write nothing but errors.")] = False,
    options: dict[str, Any],
    table: dict[str, str],
) -> None:
    """Train a network on images, or on a table.

    Leaves a run: a folder with the best weights, the metrics of each epoch and a report to look at.

    Example: convnets train lenet_bn --data fashion-mnist --epochs 5
    """
    if json and quiet:
        raise UsageError("--json and --quiet exclude each other; give one")
    if amp is not None:
        if "precision" in options:
            raise UsageError("--amp and --precision say the same; give one")
        options["precision"] = "bf16" if amp else "fp32"
    go_on = resume == "auto"
    if resume is not None and not go_on and (model or recipe or config or name or options or table or set_):
        raise UsageError(
            "--resume goes on with a run as it was started; leave network and options out, or give --resume auto. "
            f"To train it further: convnets train --from {' '.join([resume, *as_given(options)])}"
        )
    with progress_bar(quiet=quiet or json) as progress:
        listener = RunListener(progress, writer(json=json, quiet=quiet))
        if resume is not None and not go_on:
            from convnets.training.train import resume as resume_run

            run = resume_run(resume, data=data, listeners=[listener], progress=progress)
        else:
            start = functools.partial(_start, output=output, name=name, go_on=go_on, listener=listener)
            run = start(model, data, recipe, config, options, table=table, arguments=network_arguments(set_))
    if listener.gone:
        raise RunError(
            f"standard output was closed and training ended with it; {run.path} can be used as it is"
        )
    if run.status in EXIT_CODES:
        raise typer.Exit(EXIT_CODES[run.status])


def _start(
    model: str | None,
    data: str | None,
    recipe: str | None,
    config: Path | None,
    options: dict[str, Any],
    *,
    table: dict[str, str],
    arguments: dict[str, Any],
    output: Path,
    name: str | None,
    go_on: bool,
    listener: RunListener,
) -> Run:
    from convnets.models.catalogue import model_entry

    base: dict[str, Any] = {}
    if recipe is None and model is not None and "/" in model:  # no network's name has one
        model, recipe = None, model
    if recipe is not None:
        from convnets.recipes.catalogue import get_recipe

        chosen = get_recipe(recipe)
        if model not in (None, chosen.network):
            raise UsageError(f"recipe {recipe} trains {chosen.network}, not {model}; leave the network out")
        model, data = chosen.network, chosen.data if data is None else data
        arguments, base = {**chosen.arguments, **arguments}, chosen.config.to_dict()
    own, further = options_and_arguments(config)
    base, arguments = base | own, further | arguments
    start = (base | options).get("start")
    if start is not None and data is None:
        base = _options_of(str(start)) | base
    if model is None and start is None:
        raise UsageError(
            "no network; give one, such as convnets train lenet_bn, or --from with trained weights, or --recipe"
        )
    if model is not None:
        model_entry(model)  # an unknown one is refused before PyTorch is loaded, let alone the data
    settings = TrainConfig.from_dict(base | options, str(config) if config else "configuration")
    from convnets.training.runs.run_folders import check_output

    rows = opened_examples(data, table)
    if rank_in_environment() == 0:  # the process that writes, and that will say it once for all
        check_output(output, None if go_on else name)
    from convnets.training.train import train as train_network

    return train_network(
        model,
        rows or ("digits" if data is None and start is None else data),
        settings,
        output=output,
        name=name,
        go_on=go_on,
        arguments=arguments,
        listeners=[listener],
        progress=listener.progress,
    )


def _options_of(start: str) -> dict[str, Any]:
    """The options of a run that is trained further; of other weights there are none."""
    from convnets.training.resuming.further import run_at

    run = run_at(start)
    return {} if run is None else run.config.to_dict()

"""`convnets reproduce`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convnets.cli.numbers import whole_number
from convnets.cli.output import progress_bar, write_json
from convnets.cli.placement import Device, Precision, Threads
from convnets.cli.training.run_listener import EXIT_CODES, RunListener
from convnets.errors import RunError, TrainingError, UsageError
from convnets.recipes.reproduction_plan import PlannedRun, plan_runs

if TYPE_CHECKING:
    from convnets.recipes.reproduction import Reproduction
    from convnets.training.events import Event, Listener

__all__ = ["reproduce"]


def reproduce(
    networks: Annotated[
        list[str] | None,
        typer.Argument(
            help="Networks of the notes to train. [default: all eight of them]", metavar="NETWORK"
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="Runs of each network. [default: 10 for lenet and lenet_bn, 3 for the others]",
            metavar="N",
            parser=whole_number,
        ),
    ] = None,
    first_seed: Annotated[
        int, typer.Option(help="Seed of the first of them.", metavar="N", parser=whole_number)
    ] = 0,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Epochs in place of the recipe's 10; the results say so.", metavar="N", parser=whole_number
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for runs and results.", metavar="FOLDER")
    ] = Path("reproduction"),
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on in a folder that is there: only what has not ended is trained."),
    ] = False,
    data: Annotated[
        str, typer.Option(help="Data set's name, or a folder or zip of images, to try it on.", metavar="DATA")
    ] = "fashion-mnist",
    device: Device = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    fast: Annotated[
        bool,
        typer.Option(
            help="Train through fused and measured kernels; on a GPU, the way that measures fastest."
        ),
    ] = True,
    json: Annotated[bool, typer.Option("--json", help="Write the results as JSON, and no rows.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Write nothing but errors.")] = False,
) -> None:
    """Train the networks of the notes again.

    By their recipes, from several seeds, beside the figures that the notes and the book print. Each run is an
    ordinary run in FOLDER/runs; after each of them reproduction.md, .json, .svg and .png are written in FOLDER.

    Example: convnets reproduce lenet --seeds 3
    """
    if json and quiet:
        raise UsageError("--json and --quiet exclude each other; give one")
    if first_seed and seeds is None:
        raise UsageError(f"--first-seed {first_seed} without --seeds; say how many runs: --seeds 3")
    chosen: int | range | None = seeds
    if first_seed and seeds is not None and seeds > 0:
        chosen = range(first_seed, first_seed + seeds)
    options = {"device": device, "precision": precision, "threads": threads, "fast": fast}
    # an unknown network is refused before PyTorch is loaded
    plan = plan_runs(networks or None, seeds=chosen, epochs=epochs, data=data, options=options)
    from convnets.recipes.reproduce import reproduce as train_all

    with progress_bar(quiet=quiet or json) as progress:
        listener = RunListener(progress, None if quiet or json else _rows_of_each(plan))
        found = train_all(
            networks or None,
            seeds=chosen,
            epochs=epochs,
            data=data,
            options=options,
            output=output,
            go_on=resume,
            listeners=[listener],
            progress=progress,
        )
    if listener.gone:
        raise RunError(
            f"standard output was closed and training ended with it; {output} can be gone on with by --resume"
        )
    if json:
        write_json(found.to_dict())
    elif not quiet:
        _print(found)
    _end(found, plan)


def _rows_of_each(plan: Sequence[PlannedRun]) -> Listener:
    """Rows as `convnets train` writes them, and above each run which of them it is."""
    from convnets.training.events import RunStarted
    from convnets.training.listeners.terminal import Terminal

    names = [planned.name for planned in plan]
    terminal = Terminal()

    def write(event: Event) -> None:
        nonlocal terminal
        if isinstance(event, RunStarted):
            terminal = Terminal()
            name = Path(event.run).name
            terminal.console.rule(f"{name}: run {names.index(name) + 1} of {len(names)}", align="left")
        terminal(event)

    return write


def _print(found: Reproduction) -> None:
    from convnets.recipes.reproduction_text import conditions, terminal_text

    if not found.runs:
        return
    typer.echo(f"\n{terminal_text(found)}\n")
    typer.echo("\n".join(conditions(found)))
    # there is nothing to draw before a run has ended
    drawn = ", .json, .svg and .png" if any(each.ended for each in found.networks) else " and .json"
    typer.echo(f"results: {found.output / 'reproduction.md'}{drawn}")
    if found.stopped is not None:
        typer.echo(f"go on: the same command with --resume (or: convnets runs {found.output / 'runs'})")


def _end(found: Reproduction, plan: Sequence[PlannedRun]) -> None:
    if found.stopped is not None:
        raise typer.Exit(EXIT_CODES[found.stopped])
    planned = {run.name for run in plan}
    failed = [run for run in found.failed if run.name in planned]
    if failed:
        names = ", ".join(run.name for run in failed)
        raise TrainingError(f"{len(failed)} of {len(plan)} runs failed: {names}; {failed[0].status}")

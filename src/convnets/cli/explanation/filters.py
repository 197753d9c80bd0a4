"""`convnets filters`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convnets.cli.explanation.pictured import JsonOption, OutputOption, RunArgument, finish, picture_path
from convnets.cli.output import write_json
from convnets.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["filters"]


def filters(
    run: RunArgument,
    layer: Annotated[
        str | None, typer.Option(help="Convolution. [default: the first]", metavar="NAME")
    ] = None,
    mixing: Annotated[
        bool, typer.Option("--mixing", help="A 1×1 convolution as a matrix of its channels.")
    ] = False,
    norms: Annotated[bool, typer.Option("--norms", help="γ and β of every batch norm, by channel.")] = False,
    epochs: Annotated[
        bool, typer.Option("--epochs", help="Over the epochs kept with --save-epochs; also .gif or .apng.")
    ] = False,
    output: OutputOption = None,
    json: JsonOption = False,
) -> None:
    """Show what a network's first filters look like.

    Deeper filters add up dozens of channels and cannot be read: see `convnets patches`.

    Example: convnets filters runs/lenet_bn -o filters.png
    """
    if mixing + norms + epochs > 1:
        raise UsageError("--mixing, --norms and --epochs exclude each other; give one")
    if epochs:
        _film(run, layer, output, json=json)
        return
    path = picture_path(output, run, "filters")
    from convnets.checkpoints.model_source import open_model

    network = open_model(run).network
    if mixing:
        _mixing(network, layer, path, json=json, wanted=output is not None)
    elif norms:
        from convnets.explanation.inside.norm_channels import norm_channels

        found = norm_channels(network)
        finish(found, path, words=f"{len(found.norms)} batch norms", json=json, wanted=output is not None)
    else:
        from convnets.explanation.inside.filters import first_filters

        seen = first_filters(network, layer)
        words = f"{len(seen.weights)} filters of {seen.layer}"
        finish(seen, path, words=words, json=json, wanted=output is not None)


def _mixing(network: nn.Module, layer: str | None, path: Path, *, json: bool, wanted: bool) -> None:
    from convnets.explanation.inside.mixing import mixing_matrices

    found = mixing_matrices(network, layer)
    if len(found) > 1:
        names = ", ".join(each.layer for each in found[:12])
        raise UsageError(f"there are {len(found)} 1×1 convolutions; choose one with --layer: {names}")
    rows, columns = found[0].weights.shape
    words = f"{found[0].layer}: {columns} channels to {rows}, effective rank {found[0].effective_rank:.1f}"
    finish(found[0], path, words=words, json=json, wanted=wanted)


def _film(run: Path, layer: str | None, output: Path | None, *, json: bool) -> None:
    from convnets.explanation.inside.epoch_film import FILM_ENDINGS, film_filters
    from convnets.training.runs.run import Run

    path = picture_path(output, run, "filters", FILM_ENDINGS)
    film = film_filters(Run(run), layer)
    if output is not None or not json:
        film.save(path)
    if json:
        write_json({"title": film.title, "epochs": list(film.epochs), "units": list(film.units)})
        return
    typer.echo(film.title)
    typer.echo(f"picture: {path}")

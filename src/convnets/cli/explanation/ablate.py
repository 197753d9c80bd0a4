"""`convnets ablate`."""

from __future__ import annotations

from typing import Annotated

import typer

from convnets.cli.explanation.pictured import (
    DataOption,
    JsonOption,
    OutputOption,
    RunArgument,
    finish,
    numbers_between_commas,
    open_images,
    picture_path,
)
from convnets.cli.numbers import whole_number
from convnets.cli.output import progress_bar
from convnets.errors import UsageError

__all__ = ["ablate"]


def ablate(
    run: RunArgument,
    layer: Annotated[
        str | None, typer.Option(help="Layer whose channels go, one by one.", metavar="NAME")
    ] = None,
    channels: Annotated[
        str | None, typer.Option(help="Only these channels, together.", metavar="A,B,…")
    ] = None,
    branches: Annotated[
        bool, typer.Option("--branches", help="Each residual branch or Inception path instead of a layer.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Take the cheapest channels out and draw accuracy against work.")
    ] = False,
    how: Annotated[
        str, typer.Option(help="What takes their place: zero, mean or resample.", metavar="NAME")
    ] = "zero",
    images: Annotated[
        int, typer.Option(help="Images to ask about, at equal distances.", metavar="N", parser=whole_number)
    ] = 2000,
    data: DataOption = None,
    part: Annotated[
        str | None, typer.Option(help="train, validation or test. [default: validation]", metavar="PART")
    ] = None,
    output: OutputOption = None,
    json: JsonOption = False,
) -> None:
    """Switch parts of a network off, and see what they are for.

    Of a layer, every channel by itself, ranked, on validation images, with intervals; nothing is trained.

    Example: convnets ablate runs/lenet_bn --layer convolutions.6 --how mean -o ablation.png
    """
    if (layer is None) == (not branches):
        raise UsageError("give --layer NAME or --branches, one of them")
    if channels is not None and (branches or prune):
        raise UsageError("--channels belongs to --layer; leave --branches and --prune out")
    if prune and (branches or how != "zero"):
        raise UsageError(
            "--prune takes channels of a --layer out, which is --how zero; leave --branches and --how out"
        )
    path = picture_path(output, run, "ablation")
    from convnets.explanation.ablation import ablate as ablating
    from convnets.explanation.ablation.parts import Part, branches_of
    from convnets.explanation.ablation.pruning import what_if_pruned

    with progress_bar(quiet=json) as progress:
        opened = open_images(run, data, part or ("validation" if data is None else None), images, progress)
        network, preprocess = opened.model.network, opened.model.preprocess

        def report(done: int, total: int) -> None:
            progress("switching off", done, total)

        if prune:
            assert layer is not None
            curve = what_if_pruned(network, opened.images, preprocess, layer, progress=report)
            finish(curve, path, words=str(curve), json=json, wanted=output is not None)
            return
        if channels is not None:
            assert layer is not None
            parts = [Part(layer, tuple(numbers_between_commas(channels, "--channels")))]
        elif branches:
            parts = branches_of(network, (preprocess.channels, preprocess.size, preprocess.size))
        else:
            assert layer is not None
            found = ablating.ablate_channels(
                network, opened.images, preprocess, layer, how=how, progress=report
            )
            finish(found, path, words=str(found), json=json, wanted=output is not None)
            return
        found = ablating.ablate(network, opened.images, preprocess, parts, how=how, progress=report)
    finish(found, path, words=str(found), json=json, wanted=output is not None)

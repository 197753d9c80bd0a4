"""`convnets patches`."""

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

__all__ = ["patches"]


def patches(
    run: RunArgument,
    layer: Annotated[str, typer.Option(help="Layer with maps, or last_maps.", metavar="NAME")] = "last_maps",
    units: Annotated[
        str | None,
        typer.Option(help="Channels of the layer. [default: the 8 that stand out most]", metavar="A,B,…"),
    ] = None,
    count: Annotated[int, typer.Option(help="Patches for each unit.", metavar="N", parser=whole_number)] = 9,
    images: Annotated[
        int,
        typer.Option(help="Images to look through, at equal distances.", metavar="N", parser=whole_number),
    ] = 10_000,
    optimized: Annotated[
        bool, typer.Option(help="Also an image made to excite each unit, which is less reliable.")
    ] = True,
    data: DataOption = None,
    part: Annotated[
        str | None, typer.Option(help="train, validation or test. [default: train]", metavar="PART")
    ] = None,
    output: OutputOption = None,
    json: JsonOption = False,
) -> None:
    """Show the pieces of images that excite a unit most.

    Each piece is cut to what the unit can see, to the pixel.

    Example: convnets patches runs/lenet_bn --layer convolutions.6 -o patches.png
    """
    path = picture_path(output, run, "patches")
    chosen = None if units is None else numbers_between_commas(units, "--units")
    from convnets.explanation.inside.optimized_image import optimize_images
    from convnets.explanation.inside.patches import find_patches

    with progress_bar(quiet=json) as progress:
        opened = open_images(run, data, part or "train", images, progress)
        model = opened.model
        found = find_patches(
            model.network,
            opened.images,
            model.preprocess,
            layer,
            units=chosen,
            count=count,
            progress=lambda done, total: progress("looking for patches", done, total),
        )
        if optimized and (output is not None or not json):
            made = optimize_images(model.network, model.preprocess, found.layer, list(found.patches))
            found = found.with_optimized(made)
    rows = [
        f"unit {unit}: {', '.join(f'{each.label} {each.value:.3g}' for each in best[:3])}"
        for unit, best in found.patches.items()
    ]
    head = f"{found.layer}, {'×'.join(map(str, found.field))} pixels each, of {found.images:,} images"
    finish(found, path, words="\n".join([head, *rows]), json=json, wanted=output is not None)

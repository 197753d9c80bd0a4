"""`convnets features`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convnets.cli.explanation.pictured import (
    DataOption,
    JsonOption,
    OutputOption,
    PartOption,
    RunArgument,
    finish,
    numbers_between_commas,
    open_images,
    picture_path,
)
from convnets.cli.numbers import whole_number
from convnets.cli.output import progress_bar, write_json
from convnets.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from convnets.checkpoints.model_folder import TrainedModel

__all__ = ["features"]

_LENSES = ("residual", "concat")


def features(
    run: RunArgument,
    picture: Annotated[
        Path | None, typer.Argument(help="Picture to look at. [default: one of the data]", metavar="IMAGE")
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            help="Layer, or stages for one of each map size. [default: the last maps]", metavar="NAME"
        ),
    ] = None,
    scale: Annotated[
        str, typer.Option(help="What shares a color scale: unit, layer or global.", metavar="NAME")
    ] = "layer",
    unit: Annotated[
        str | None,
        typer.Option(
            help="Work out this number of the layer's map, term by term.", metavar="CHANNEL,ROW,COLUMN"
        ),
    ] = None,
    lens: Annotated[
        str | None,
        typer.Option(
            help="residual: branch and skip in each block; concat: who made which channel.", metavar="NAME"
        ),
    ] = None,
    epochs: Annotated[
        bool, typer.Option("--epochs", help="Over the epochs kept with --save-epochs; also .gif or .apng.")
    ] = False,
    index: Annotated[
        int, typer.Option(help="Which of the data's images.", metavar="N", parser=whole_number)
    ] = 0,
    data: DataOption = None,
    part: PartOption = None,
    output: OutputOption = None,
    json: JsonOption = False,
) -> None:
    """Show the maps that a network's layers make of a picture.

    Example: convnets features runs/lenet_bn --layer stages -o maps.png
    """
    if (unit is not None) + (lens is not None) + epochs > 1:
        raise UsageError("--unit, --lens and --epochs exclude each other; give one")
    if lens not in (None, *_LENSES):
        raise UnknownNameError("lens", str(lens), _LENSES)
    from convnets.explanation.inside.epoch_film import FILM_ENDINGS

    path = picture_path(output, run, "features", FILM_ENDINGS if epochs else None)
    with progress_bar(quiet=json) as progress:
        if picture is not None:
            model, pixels = _of_file(run, picture)
        else:
            found = open_images(run, data, part, None, progress)
            if not 0 <= index < len(found.images):
                raise UsageError(
                    f"--index is {index}; the {found.part} part has images 0 to {len(found.images) - 1}"
                )
            from convnets.explanation.sample import pixels_of

            model, pixels = found.model, pixels_of(found.images.subset([index]), found.model.preprocess)[0]
    wanted = output is not None
    if unit is not None:
        _unit(model, pixels, layer, unit, path, json=json, wanted=wanted)
    elif lens is not None:
        _lens(model, pixels, lens, path, json=json, wanted=wanted)
    elif epochs:
        _film(run, pixels, layer, path, json=json, wanted=wanted)
    else:
        from convnets.explanation.inside.feature_maps import SCALES, feature_maps

        if scale not in SCALES:
            raise UnknownNameError("scale", scale, SCALES)
        maps = feature_maps(
            model.network, model.preprocess(pixels[None]), layer or "last_maps", pixels=pixels
        )
        if wanted or not json:
            maps.save(path, scale)
        if json:
            write_json(maps.to_dict())
            return
        for name, values in maps.layers.items():
            typer.echo(
                f"{name}: {'×'.join(map(str, values.shape))}, {values.min():.4g} to {values.max():.4g}"
            )
        typer.echo(f"picture: {path}")


def _of_file(run: Path, picture: Path) -> tuple[TrainedModel, Tensor]:
    from convnets.checkpoints.model_source import open_model
    from convnets.data.images.opening import open_picture
    from convnets.data.preprocess import center_crop

    model = open_model(run)
    stored = model.preprocess.store(open_picture(picture, str(picture)))
    return model, center_crop(stored[None], model.preprocess.size)[0]


def _unit(
    model: TrainedModel, pixels: Tensor, layer: str | None, unit: str, path: Path, *, json: bool, wanted: bool
) -> None:
    if layer is None:
        raise UsageError("--unit belongs to --layer; name a convolution or linear layer")
    from convnets.explanation.inside.unit_arithmetic import unit_arithmetic

    place = numbers_between_commas(unit, "--unit")
    if len(place) not in (1, 3):
        raise UsageError(
            f"--unit is {unit!r}; allowed: CHANNEL,ROW,COLUMN such as 3,5,8, or a feature such as 3"
        )
    found = unit_arithmetic(model.network, model.preprocess(pixels[None]), layer, *place)
    finish(found, path, words=str(found), json=json, wanted=wanted)


def _lens(model: TrainedModel, pixels: Tensor, lens: str, path: Path, *, json: bool, wanted: bool) -> None:
    x = model.preprocess(pixels[None])
    if lens == "residual":
        from convnets.explanation.inside.residual_lens import residual_lens

        found = residual_lens(model.network, x)
        words = "\n".join(
            f"{each.name}: branch {each.share:.0%}, cosine {each.cosine:+.2f}" for each in found.additions
        )
        finish(found, path, words=words, json=json, wanted=wanted)
    else:
        from convnets.explanation.inside.concat_lens import concat_lens

        joined = concat_lens(model.network, x)
        words = "\n".join(
            f"{each.name}: {', '.join(f'{part.channels} by {part.branch}' for part in each.parts)}"
            for each in joined.concatenations
        )
        finish(joined, path, words=words, json=json, wanted=wanted)


def _film(run: Path, pixels: Tensor, layer: str | None, path: Path, *, json: bool, wanted: bool) -> None:
    from convnets.explanation.inside.epoch_film import film_maps
    from convnets.training.runs.run import Run

    film = film_maps(Run(run), pixels, layer or "last_maps")
    if wanted or not json:
        film.save(path)
    if json:
        write_json({"title": film.title, "epochs": list(film.epochs), "units": list(film.units)})
        return
    typer.echo(film.title)
    typer.echo(f"picture: {path}")

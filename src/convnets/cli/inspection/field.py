"""`convnets field`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convnets.cli.given_network import GivenNetwork, ImageOption, given_network
from convnets.cli.numbers import whole_number
from convnets.cli.output import aligned, check_file, write_json
from convnets.errors import UsageError

if TYPE_CHECKING:
    from convnets.inspection.receptive_field.fields import AxisField, ReceptiveField

__all__ = ["field"]


def field(
    model: Annotated[
        str,
        typer.Argument(
            help="Network, as `convnets models` lists them, or a run or model folder.", metavar="MODEL"
        ),
    ],
    layer: Annotated[
        str | None,
        typer.Option(help="Measure this layer's effective field by gradients.", metavar="NAME"),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(help="Row and column in the layer's map. [default: the middle]", metavar="ROW,COLUMN"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="SVG of the effective field. [default: MODEL-LAYER.svg]",
            metavar="FILE.svg",
        ),
    ] = None,
    image: ImageOption = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """How far each layer sees: its receptive field.

    Size, stride, start and padding share, in pixels of the image; a * marks fields larger than the image. With
    --layer, how much each pixel really sways a unit of that layer, as a picture. The weights of a name from the
    catalogue are random ones; those of a run are the trained ones.

    Example: convnets field resnet18 --layer stage3.1.conv2
    """
    if layer is None and (unit is not None or output is not None):
        raise UsageError("--unit and --output belong to --layer; name a layer, as the table lists them")
    given = given_network(model, image, weights=layer is not None)
    if layer is not None:
        _measure(given, layer, unit, output, json=json)
        return
    from convnets.inspection.receptive_field.fields import receptive_fields

    fields = receptive_fields(given.network, given.image)
    if json:
        write_json([each.to_dict() for each in fields])
        return
    header = ("layer", "kind", "output", "field", "stride", "start", "padding")
    typer.echo(aligned(header, [_row(each) for each in fields], right=(2, 3, 4, 5, 6)))
    if any(each.exceeds for each in fields):
        sides = "×".join(map(str, given.image[1:]))
        what = f"series, {sides} steps" if len(given.image) == 2 else f"image, {sides} pixels"
        typer.echo(f"* larger than the {what}")
    if not all(each.exact for each in fields):
        typer.echo("≤ at most: an operation before it is not known, and taken to see all that its input sees")


def _row(each: ReceptiveField) -> tuple[str, ...]:
    shape = "×".join(map(str, each.shape[1:]))
    size = _by_axis([str(axis.size) for axis in each.axes])
    stride = _by_axis([_stride(axis) for axis in each.axes])
    start = _by_axis([str(axis.start) for axis in each.axes])
    mark = ("" if each.exact else "≤") + size + ("*" if each.exceeds else " ")
    return (each.name, each.kind, shape, mark, stride, start, f"{each.padding:.0%}")


def _stride(axis: AxisField) -> str:
    return "varies" if axis.stride is None else f"{axis.stride:g}"


def _by_axis(values: list[str]) -> str:
    """One value where all axes agree."""
    return values[0] if len(set(values)) == 1 else "×".join(values)


def _measure(given: GivenNetwork, layer: str, unit: str | None, output: Path | None, *, json: bool) -> None:
    path = output or Path(f"{Path(given.name).name}-{layer.replace(' ', '')}.svg")
    check_file(path)
    if path.suffix.lower() != ".svg":
        raise UsageError(f"{path} is no .svg file; the picture is SVG")
    from convnets.core.storage.files import write_text
    from convnets.inspection.receptive_field.effective_field import effective_field

    found = effective_field(given.network, layer, given.image, unit=_place(unit))
    if output is not None or not json:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, found.svg())
    if json:
        write_json(found.to_dict())
        return
    typer.echo(str(found))
    typer.echo(f"picture: {path}")


def _place(unit: str | None) -> tuple[int, int] | None:
    if unit is None:
        return None
    numbers = [whole_number(each) for each in unit.split(",")]
    if len(numbers) != 2:
        raise typer.BadParameter(f"--unit is {unit!r}; allowed: ROW,COLUMN such as 3,3")
    return numbers[0], numbers[1]

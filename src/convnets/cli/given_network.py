"""The networks that a command line names: from the catalogue, or trained and in a folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convnets.cli.numbers import whole_number
from convnets.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["GivenNetwork", "ImageOption", "given_network", "image_shape", "sides"]

ImageOption = Annotated[
    str | None,
    typer.Option(
        "--input",
        help="Image to run it on: C×H×W such as 1x64x64, or a side; of series C×L. [default: the network's]",
        metavar="CxHxW",
    ),
]


@dataclass(frozen=True)
class GivenNetwork:
    """A network, and the image that it is looked at with."""

    network: nn.Module
    name: str
    """The catalogue's, or the folder's."""
    image: tuple[int, ...]
    """C×H×W, or C×L of a network for series, or D numbers of a table's row."""


def given_network(
    model: str,
    image: str | None = None,
    *,
    in_channels: int | None = None,
    num_classes: int | None = None,
    size: int | None = None,
    weights: bool = False,
) -> GivenNetwork:
    """The network that `model` names, and the image that `image` asks for.

    A name of the catalogue is built with `in_channels` (by default the image's), `num_classes` and for `size`; its
    weights are on the meta device, where they take no memory, unless `weights` are wanted. Anything that is a folder
    or looks like a path is loaded as a run or a model folder. Raises what `create_model` and `load_model` raise, and
    UsageError for options that a trained network cannot follow.
    """
    if Path(model).is_dir() or "/" in model or "\\" in model or Path(model).suffix.lower() == ".onnx":
        return _trained(model, image, any(each is not None for each in (in_channels, num_classes, size)))
    import torch

    from convnets.models.catalogue import create_model, model_entry

    entry = model_entry(model)
    wanted = None if image is None else _wanted(image, entry.axes)
    if in_channels is None and wanted is not None:
        in_channels = wanted[0]
    with torch.device("cpu" if weights else "meta"):
        network = create_model(
            model,
            in_channels=in_channels,
            num_classes=num_classes,
            input_size=size,
            seed=0 if weights else None,  # what is measured on random weights can be measured again
        )
    if wanted is None:
        return GivenNetwork(network, model, entry.input_shape(network.in_channels, size))
    return GivenNetwork(network, model, _image(wanted, network.in_channels))


def _trained(model: str, image: str | None, rebuilt: bool) -> GivenNetwork:
    if rebuilt:
        raise UsageError(
            f"{model} is trained: its channels, classes and size are settled; --input changes the image alone"
        )
    from convnets.checkpoints.model_source import open_model, resolve_model_folder
    from convnets.checkpoints.table_model import load_table_model
    from convnets.serving.table_predictor import is_for_tables

    if is_for_tables(model) and Path(model).is_dir():
        rows = load_table_model(resolve_model_folder(model))
        own = rows.encoder.shape
        if image is None:
            return GivenNetwork(rows.network, model, own)
        if len(own) == 1:
            raise UsageError(
                f"--input is {image!r}, and {model} takes rows of {own[0]} numbers; leave it out"
            )
        return GivenNetwork(rows.network, model, _image(_wanted(image, 1), own[0]))
    trained = open_model(model)
    preprocess = trained.preprocess
    if image is None:
        return GivenNetwork(trained.network, model, (preprocess.channels, preprocess.size, preprocess.size))
    return GivenNetwork(trained.network, model, _image(_wanted(image, 2), preprocess.channels))


def _wanted(text: str, axes: int) -> tuple[int | None, ...]:
    return series_shape(text) if axes == 1 else image_shape(text)


def _image(wanted: tuple[int | None, ...], channels: int) -> tuple[int, ...]:
    return tuple(channels if each is None else each for each in wanted)


def series_shape(text: str) -> tuple[int | None, int]:
    """C×L from `2x64`, or no C from `64`, which the network's own channels complete.

    >>> series_shape("2x64"), series_shape("96")
    ((2, 64), (None, 96))
    """
    if not re.fullmatch(r"[1-9]\d*([x×,][1-9]\d*)?", text.strip().lower()):
        raise typer.BadParameter(f"--input is {text!r}; allowed: C×L such as 2x64, or L steps")
    numbers = [int(each) for each in re.split("[x×,]", text.strip().lower())]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (None, numbers[0])


def image_shape(text: str) -> tuple[int | None, int, int]:
    """C×H×W from `1x64x64`, or no C from `64` or `64x48`, which the network's own channels complete.

    >>> image_shape("1x64x48"), image_shape("96")
    ((1, 64, 48), (None, 96, 96))
    """
    if not re.fullmatch(r"\d+([x×,]\d+){0,2}", text.strip().lower()):
        raise typer.BadParameter(f"--input is {text!r}; allowed: C×H×W such as 1x64x64, H×W or a side")
    numbers = [int(each) for each in re.split("[x×,]", text.strip().lower())]
    if min(numbers) < 1:
        raise typer.BadParameter(f"--input is {text!r}; allowed: whole numbers from 1")
    channels = numbers[0] if len(numbers) == 3 else None
    return channels, numbers[-2 if len(numbers) > 1 else -1], numbers[-1]


def sides(text: str) -> list[int]:
    """Sides in pixels from `32,64,96`, or `32:224:32` for every 32nd from 32 to 224.

    >>> sides("28,32:64:16")
    [28, 32, 48, 64]
    """
    found: list[int] = []
    for part in text.split(","):
        numbers = [whole_number(each) for each in part.split(":")]
        if not 1 <= len(numbers) <= 3 or min(numbers) < 1:
            raise typer.BadParameter(
                f"--sizes has {part!r}; allowed: 64, or FIRST:LAST:STEP such as 32:224:32"
            )
        step = numbers[2] if len(numbers) == 3 else 1
        found += range(numbers[0], numbers[-1 if len(numbers) == 1 else 1] + 1, step)
    if not found or len(found) > _MOST_SIZES:
        raise typer.BadParameter(f"--sizes {text!r} are {len(found)} sizes; allowed: 1 to {_MOST_SIZES}")
    return found


_MOST_SIZES = 1000

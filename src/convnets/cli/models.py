"""`convnets models` and `convnets summary`."""

from __future__ import annotations

from typing import Annotated

import typer

from convnets.cli.numbers import whole_number
from convnets.cli.output import aligned, write_json
from convnets.errors import UnknownNameError

__all__ = ["models", "summary"]


def models(
    pattern: Annotated[
        str, typer.Argument(help="Only names that match, such as 'resnet*'.", metavar="PATTERN")
    ] = "*",
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """List the networks of the catalogue.

    Example: convnets models 'resnet*'
    """
    from convnets.models.catalogue import list_models, model_entry

    entries = [model_entry(name) for name in list_models(pattern)]
    if not entries:
        raise UnknownNameError(
            "network", pattern, list_models(), "a * stands for any letters, as in 'resnet*'"
        )
    if json:
        write_json(
            [
                {
                    "name": entry.name,
                    "year": entry.year,
                    "paper": entry.paper,
                    "idea": entry.idea,
                    "input_size": entry.input_size,
                    "min_size": entry.min_size,
                    "fixed_size": entry.fixed_size,
                    "in_channels": entry.in_channels,
                    "num_classes": entry.num_classes,
                }
                for entry in entries
            ]
        )
        return
    rows = [
        (entry.name, str(entry.year), str(entry.input_size), str(entry.min_size), entry.idea)
        for entry in entries
    ]
    typer.echo(aligned(("network", "year", "input", "least", "idea"), rows, right=(1, 2, 3)))


def summary(
    model: Annotated[str, typer.Argument(help="Network, as `convnets models` lists them.", metavar="MODEL")],
    in_channels: Annotated[
        int | None,
        typer.Option(
            help="Channels of the input. [default: the network's]", metavar="N", parser=whole_number
        ),
    ] = None,
    num_classes: Annotated[
        int | None,
        typer.Option(help="Number of classes. [default: the network's]", metavar="N", parser=whole_number),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            help="Side of the input in pixels. [default: the network's]", metavar="N", parser=whole_number
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Print a network's layers.

    In the order they run, with the shape each of them gives and its parameters.

    Example: convnets summary lenet
    """
    import torch

    from convnets.inspection.summary import summarise
    from convnets.models.catalogue import create_model, model_entry

    entry = model_entry(model)
    with torch.device("meta"):
        network = create_model(model, in_channels=in_channels, num_classes=num_classes, input_size=size)
    side = entry.input_size if size is None else size
    found = summarise(network, (network.in_channels, side, side))
    if json:
        write_json(found.to_dict())
    else:
        typer.echo(str(found))

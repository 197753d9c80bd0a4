"""`convnets models`."""

from __future__ import annotations

from typing import Annotated

import typer

from convnets.cli.output import aligned, write_json
from convnets.errors import UnknownNameError

__all__ = ["models"]


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

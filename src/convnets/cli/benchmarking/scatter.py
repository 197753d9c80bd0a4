"""`convnets scatter`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convnets.cli.given_network import ImageOption, given_network
from convnets.cli.numbers import real_number, whole_number
from convnets.cli.output import check_file, progress_bar, write_json
from convnets.cli.placement import Device, Precision, Threads
from convnets.errors import UnknownNameError, UsageError

__all__ = ["scatter"]


def scatter(
    models: Annotated[
        list[str],
        typer.Argument(
            help="Networks, patterns such as 'resnet*', runs or model folders.", metavar="MODEL..."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also draw a picture here.", metavar="FILE.png|FILE.svg"),
    ] = None,
    image: ImageOption = None,
    rounds: Annotated[
        int, typer.Option(help="Times that each network has its turn.", metavar="N", parser=whole_number)
    ] = 7,
    seconds: Annotated[
        float, typer.Option(help="That a turn lasts, about.", metavar="X", parser=real_number)
    ] = 0.2,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Measure parameters, MACs and latency of networks.

    The latency is that of one image on this machine, networks taking turns.

    Example: convnets scatter lenet 'resnet?8' alexnet -o scatter.png
    """
    check_file(output)
    if output is not None and output.suffix.lower() not in (".png", ".svg"):
        raise UsageError(f"{output.name}: allowed is a name that ends in .png or .svg")
    names = _names(models)
    given = {name: given_network(name, image, weights=True) for name in names}
    from convnets.benchmarking.scatter import scatter as measure
    from convnets.core.hardware import choose_hardware

    hardware = choose_hardware(device, precision, threads)
    networks = {name: (each.network, each.image) for name, each in given.items()}
    with progress_bar(quiet=json) as progress:
        found = measure(networks, hardware, rounds=rounds, seconds=seconds, progress=progress)
    if output is not None:
        found.draw(output)
    if json:
        write_json(found.to_dict())
        return
    typer.echo(str(found))
    if output is not None:
        typer.echo(f"picture: {output}")


def _names(models: list[str]) -> list[str]:
    from convnets.models.catalogue import list_models

    names: list[str] = []
    for model in models:
        matching = list_models(model) if "*" in model or "?" in model or "[" in model else [model]
        if not matching:
            raise UnknownNameError("network", model, list_models(), "see them all with: convnets models")
        names += matching
    return list(dict.fromkeys(names))

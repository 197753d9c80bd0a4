"""`convnets studio`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convnets.cli.numbers import whole_number
from convnets.cli.placement import Device, Threads

__all__ = ["studio"]


def studio(
    runs: Annotated[
        Path, typer.Argument(help="Folder that runs lie in, or one run.", metavar="RUNS|RUN")
    ] = Path("runs"),
    data: Annotated[
        str | None,
        typer.Option(
            help="Data set's name, or a folder or zip, to look at. [default: the runs' own]", metavar="DATA"
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="Port to listen on.", metavar="N", parser=whole_number)] = 8080,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for every one.", metavar="NAME")
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Further name that the studio answers to; * for any.", metavar="NAME"),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Only show: train nothing, stop no run.")
    ] = False,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
    token: Annotated[
        str | None,
        typer.Option(
            help="What the address has to carry. [default: made anew]",
            metavar="TEXT",
            envvar="CONVNETS_TOKEN",
        ),
    ] = None,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Open your runs in the browser.

    Curves, the network down to the arithmetic of one unit, images and mistakes, explanations, search, and a lab.
    Nothing leaves this machine.

    Example: convnets studio runs
    """
    from convnets.studio.notebook import needed_by_studio

    needed_by_studio()
    from convnets.studio.server import StudioSettings, open_studio

    settings = StudioSettings(
        folder=runs,
        data=data,
        host=host,
        port=port,
        token=token,
        hosts=tuple(allow_host or ()),
        read_only=read_only,
        device=device,
        threads=threads,
    )

    def told(address: str) -> None:
        typer.echo(f"the studio of {runs} is at {address} (Ctrl-C ends it)", err=True)

    open_studio(settings, told, browser=not no_open)

"""Where a command computes: the options that say so, alike for all of them."""

from __future__ import annotations

from typing import Annotated

import typer

from convnets.cli.numbers import whole_number

__all__ = ["Device", "EngineName", "Precision", "Threads"]

Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.", metavar="NAME")]
Precision = Annotated[str, typer.Option(help="auto, fp32 or bf16.", metavar="NAME")]
Threads = Annotated[
    int | None,
    typer.Option(
        help="Processor threads. [default: the cores that may be used]", metavar="N", parser=whole_number
    ),
]
EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        help="What computes: convnets, onnxruntime, or auto: the faster one, measured at the start.",
        metavar="NAME",
    ),
]

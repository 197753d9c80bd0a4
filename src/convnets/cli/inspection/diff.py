"""`convnets diff`."""

from __future__ import annotations

from typing import Annotated

import typer

from convnets.cli.given_network import ImageOption, given_network
from convnets.cli.output import write_json

__all__ = ["diff"]


def diff(
    first: Annotated[str, typer.Argument(help="Network, run or model folder.", metavar="A")],
    second: Annotated[str, typer.Argument(help="The one to compare it with.", metavar="B")],
    image: ImageOption = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Set two networks' layers and totals side by side.

    What the second has more (+), less (−) and otherwise (~), layer by layer in the order in which they run.

    Example: convnets diff lenet lenet_bn
    """
    given = [given_network(model, image) for model in (first, second)]
    from convnets.inspection.cost.difference import diff as compare
    from convnets.inspection.cost.summary import inspect

    found = compare(*(inspect(each.network, each.image) for each in given))
    if json:
        write_json(found.to_dict())
    else:
        typer.echo(str(found))

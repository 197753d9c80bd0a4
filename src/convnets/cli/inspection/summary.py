"""`convnets summary`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convnets.cli.given_network import GivenNetwork, ImageOption, given_network, sides
from convnets.cli.numbers import whole_number
from convnets.cli.output import check_file, write_json
from convnets.errors import LayerError, UsageError

if TYPE_CHECKING:
    from convnets.inspection.cost.summary import NetworkSummary

__all__ = ["summary"]


def summary(
    model: Annotated[
        str,
        typer.Argument(
            help="Network, as `convnets models` lists them, or a run or model folder.", metavar="MODEL"
        ),
    ],
    image: ImageOption = None,
    depth: Annotated[
        int | None,
        typer.Option(
            help="Levels to show: 1 is the top-level parts. [default: all]", metavar="N", parser=whole_number
        ),
    ] = None,
    items: Annotated[
        bool, typer.Option("--items", help="Also biases, norms, pooling and element-wise work by layer.")
    ] = False,
    sizes: Annotated[
        str | None,
        typer.Option(help="A row for each of these sides instead: 32,64,96 or 32:224:32.", metavar="N,N"),
    ] = None,
    in_channels: Annotated[
        int | None,
        typer.Option(
            help="Channels to build it for. [default: the network's]", metavar="N", parser=whole_number
        ),
    ] = None,
    num_classes: Annotated[
        int | None,
        typer.Option(help="Number of classes. [default: the network's]", metavar="N", parser=whole_number),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            help="Side in pixels to build it for. [default: the network's]", metavar="N", parser=whole_number
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Also write a page here.", metavar="FILE.html")] = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Print a network's layers: shapes, weights, work, memory.

    In the order they run. --size builds the network for a size; --input and --sizes try others on it as it is.

    Example: convnets summary lenet --depth 1
    """
    if depth is not None and depth < 1:
        raise UsageError(f"depth is {depth}; allowed: 1 or more")
    wanted = None if sizes is None else sides(sizes)
    check_file(html)
    given = given_network(model, image, in_channels=in_channels, num_classes=num_classes, size=size)
    if wanted is not None:
        if html is not None or image is not None or depth is not None or items:
            raise UsageError(
                "--sizes makes a table of its own; leave out --input, --depth, --items and --html"
            )
        _print_sizes(given, wanted, json=json)
        return
    from convnets.inspection.cost.summary import inspect

    try:
        found, failure = inspect(given.network, given.image), None
    except LayerError as error:  # the table up to there first, and then the error
        found, failure = _partial(error), error
    if html is not None:
        _write_page(html, found, depth)
    if json:
        write_json(found.to_dict())
    else:
        typer.echo(found.text(depth, items=items))
        if html is not None:
            typer.echo(f"page: {html}")
    if failure is not None:
        said = str(failure).replace("input_size=", "--size ").replace("in_channels=", "--in-channels ")
        raise LayerError(said, failure.layer)


def _partial(error: LayerError) -> NetworkSummary:
    from convnets.inspection.cost.summary import NetworkSummary

    assert isinstance(error.partial, NetworkSummary)
    return error.partial


def _print_sizes(given: GivenNetwork, wanted: list[int], *, json: bool) -> None:
    from convnets.inspection.cost.size_table import size_table

    axes = len(given.image) - 1
    if not axes:
        raise UsageError(f"--sizes, and {given.name} takes rows of {given.image[0]} numbers; leave it out")
    found = size_table(given.network, [(given.image[0], *(side,) * axes) for side in wanted])
    if json:
        write_json(found.to_dict())
    else:
        typer.echo(str(found))


def _write_page(path: Path, found: NetworkSummary, depth: int | None) -> None:
    from convnets.core.html.kit import Markup, page, section
    from convnets.core.storage.files import write_text
    from convnets.presentation.summary_html import summary_html

    path.parent.mkdir(parents=True, exist_ok=True)
    body = section("", Markup(summary_html(found, depth)))
    write_text(path, page(f"{found.network} taken apart", body, style=".page { max-width: 1240px; }"))

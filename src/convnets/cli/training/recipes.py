"""`convnets recipes`."""

from __future__ import annotations

from typing import Annotated

import typer

from convnets.cli.output import aligned, write_json

__all__ = ["recipes"]


def recipes(
    json: Annotated[bool, typer.Option("--json", help="Write JSON, with every option.")] = False,
) -> None:
    """List the named runs.

    With the test accuracy that each is expected to reach, and whose figure that is.

    Example: convnets recipes, then: convnets train --recipe notes/lenet_bn
    """
    from convnets.recipes.catalogue import get_recipe, list_recipes

    chosen = [get_recipe(name) for name in list_recipes()]
    if json:
        write_json([recipe.to_dict() for recipe in chosen])
        return
    rows = [
        (r.name, r.data, f"{r.expected_accuracy:.3f}", f"{r.summary} ({r.expected_source})") for r in chosen
    ]
    typer.echo(aligned(("recipe", "data", "expected", "what (whose figure)"), rows, right=(2,)))

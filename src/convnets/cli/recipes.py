"""`convnets recipes`."""

from __future__ import annotations

from typing import Annotated

import typer

from convnets.cli.output import aligned, write_json

__all__ = ["recipes"]


def recipes(
    json: Annotated[bool, typer.Option("--json", help="Write JSON, with every option.")] = False,
) -> None:
    """List the named runs and the test accuracy that each is expected to reach.

    Example: convnets recipes, then: convnets train --recipe notes/lenet_bn
    """
    from convnets.recipes.catalogue import get_recipe, list_recipes

    chosen = [get_recipe(name) for name in list_recipes()]
    if json:
        write_json([recipe.to_dict() for recipe in chosen])
        return
    rows = [(r.name, r.data, f"{r.expected_accuracy:.3f}", r.expected_source, r.summary) for r in chosen]
    typer.echo(aligned(("recipe", "data", "expected", "whose figure", "what"), rows, right=(2,)))

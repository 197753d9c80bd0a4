"""All recipes by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from convnets.errors import UnknownNameError
from convnets.recipes.best import BEST, best_recipe
from convnets.recipes.notes import NOTES, notes_recipe
from convnets.recipes.recipe import Recipe
from convnets.recipes.speed import SPEED, speed_recipe

__all__ = ["get_recipe", "list_recipes"]

_RECIPES: dict[str, Callable[[], Recipe]] = {
    **{f"notes/{network}": partial(notes_recipe, network) for network in NOTES},
    **{f"best/{network}": partial(best_recipe, network) for network in BEST},
    **{f"speed/{goal}": partial(speed_recipe, goal) for goal in SPEED},
}


def list_recipes() -> list[str]:
    """Names of all recipes.

    >>> "notes/lenet" in list_recipes()
    True
    """
    return list(_RECIPES)


def get_recipe(name: str) -> Recipe:
    """The recipe of that name; raises UnknownNameError with the nearest names.

    >>> get_recipe("notes/lenet_bn").network
    'lenet_bn'
    """
    if name not in _RECIPES:
        raise UnknownNameError("recipe", name, _RECIPES)
    return _RECIPES[name]()

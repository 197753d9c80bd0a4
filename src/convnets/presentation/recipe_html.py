"""A recipe as a notebook shows it: what it trains, what is expected of it, and the options that it chose."""

from __future__ import annotations

from convnets.core.html.kit import card, facts, paragraph
from convnets.presentation.config_html import chosen_options
from convnets.recipes.recipe import Recipe

__all__ = ["recipe_html"]


def recipe_html(recipe: Recipe) -> str:
    """The card of a recipe."""
    arguments = [f"{name}={value}" for name, value in recipe.arguments.items()]
    values = {
        "network": " ".join([recipe.network, *arguments]),
        "data": recipe.data,
        "expected": f"{recipe.expected_accuracy:.4f} of the test images ({recipe.expected_source})",
    }
    return card(recipe.name, paragraph(recipe.summary), facts(values), chosen_options(recipe.config))

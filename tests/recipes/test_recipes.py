"""The recipes of the notes are the runs of the notes, figure by figure."""

from __future__ import annotations

import pytest

from convnets.errors import UnknownNameError
from convnets.inspection.cost.summary import inspect
from convnets.models.catalogue import create_model, model_entry
from convnets.recipes.best import BEST
from convnets.recipes.catalogue import get_recipe, list_recipes
from convnets.recipes.notes import NOTES
from convnets.recipes.recipe import Recipe

# network, side, batch, rate, as the notes' table of training runs states them
RUNS = [
    ("lenet", 28, 256, 0.9),
    ("lenet_bn", 28, 256, 1.0),
    ("alexnet_d2l", 224, 128, 0.01),
    ("vgg11_quarter", 224, 128, 0.05),
    ("nin", 224, 128, 0.1),
    ("googlenet", 96, 128, 0.1),
    ("resnet18_d2l", 96, 256, 0.05),
    ("densenet_d2l", 96, 256, 0.1),
]


@pytest.mark.parametrize(("network", "size", "batch_size", "rate"), RUNS)
def test_a_run_of_the_notes(network: str, size: int, batch_size: int, rate: float) -> None:
    recipe = get_recipe(f"notes/{network}")
    config = recipe.config
    assert (recipe.network, recipe.data) == (network, "fashion-mnist")
    assert (config.size, config.batch_size, config.learning_rate, config.epochs) == (
        size,
        batch_size,
        rate,
        10,
    )
    assert (config.optimizer, config.momentum, config.decay, config.schedule) == ("sgd", 0.0, 0.0, "constant")
    assert (config.initializer, config.normalize, config.validation) == ("xavier-uniform", False, 0.0)
    assert config.augment == ()
    assert config.label_smoothing == config.mixup == config.cutmix == 0.0


def test_every_recipe_names_a_network_and_says_what_to_expect() -> None:
    for name in list_recipes():
        recipe = get_recipe(name)
        assert recipe.name == name
        assert model_entry(recipe.network)
        assert 0.1 < recipe.expected_accuracy < 1
        assert recipe.expected_source
        assert recipe.to_dict()["options"]["epochs"] >= 1


def multiplications(recipe: Recipe) -> int:
    """Of one forward pass of each image of each epoch."""
    size = recipe.config.size or model_entry(recipe.network).input_size
    network = create_model(recipe.network, in_channels=1, num_classes=10, input_size=size, **recipe.arguments)
    return recipe.config.epochs * inspect(network, (1, size, size)).macs


@pytest.mark.parametrize("network", sorted(BEST.keys() & NOTES.keys()))
def test_a_better_recipe_costs_no_more_than_that_of_the_notes_and_promises_more(network: str) -> None:
    best, notes = get_recipe(f"best/{network}"), get_recipe(f"notes/{network}")
    assert multiplications(best) <= multiplications(notes)
    assert best.expected_accuracy > notes.expected_accuracy


def test_a_wrong_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown recipe 'notes/lenetbn'; nearest: notes/lenet"):
        get_recipe("notes/lenetbn")

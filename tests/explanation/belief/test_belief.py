"""Checks of maps against loops, and on a network whose reason is known: a square planted in a corner."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats  # type: ignore[import-untyped]
from torch import Tensor, nn

from convnets import explain
from convnets.errors import ConfigError, InputError
from convnets.explanation.attribution.methods import METHODS, Method
from convnets.explanation.attribution.question import Answer, Question
from convnets.explanation.belief.agreement import agreement
from convnets.explanation.belief.check import check_maps
from convnets.explanation.belief.controls import edge_maps, random_maps
from convnets.explanation.belief.curves import blurred, deletion_and_insertion
from convnets.explanation.belief.estimate import estimate
from convnets.explanation.belief.judge import judge_methods
from convnets.explanation.belief.localization import box_mask, energy_inside, pointing_game
from convnets.explanation.belief.randomization import entropy, randomize
from convnets.explanation.belief.rank_correlation import rank_correlation
from convnets.explanation.belief.sensitivity import sensitivity
from convnets.explanation.belief.shuffling import layers_with_weights, shuffled_networks
from convnets.explanation.capture.calls import find_calls
from convnets.explanation.explain import ask
from convnets.explanation.explained import open_explained

CORNER = box_mask(8, 8, (0, 2, 0, 2))
CUE_CLASS = 3

OF_EDGES = Method("edges", lambda question: Answer({"": edge_maps(question.images)[:, None]}), "")


def _question(network: nn.Module, images: Tensor) -> Question:
    targets = torch.arange(len(images)) % 3
    return Question(network, images, targets, None, find_calls(network, images[:1]))


def test_curves_are_those_of_a_loop(clean: nn.Module, images: Tensor) -> None:
    importance = torch.randn(5, 8, 8, dtype=torch.float64)
    found = deletion_and_insertion(_question(clean, images), importance, step=0.1)
    blurry = blurred(images)
    assert found.shares.tolist() == pytest.approx([min(64, 7 * step) / 64 for step in range(11)])
    with torch.no_grad():
        for image in (0, 4):
            order = importance[image].flatten().argsort(descending=True)
            deletions, insertions = [], []
            for step in range(11):
                gone, come = images[image].clone(), blurry[image].clone()
                for place in order[: 7 * step].tolist():
                    gone[:, place // 8, place % 8] = 0.0
                    come[:, place // 8, place % 8] = images[image][:, place // 8, place % 8]
                deletions.append(float(clean(gone[None]).softmax(1)[0, image % 3]))
                insertions.append(float(clean(come[None]).softmax(1)[0, image % 3]))
            assert found.deletion[image].tolist() == pytest.approx(deletions)
            assert found.insertion[image].tolist() == pytest.approx(insertions)
            area = sum(
                (b - a) * (y + z) / 2
                for a, b, y, z in zip(found.shares, found.shares[1:], deletions, deletions[1:], strict=False)
            )
            assert float(found.deletion_area[image]) == pytest.approx(float(area))
            assert float(found.insertion_area[image]) == pytest.approx(
                float(np.trapezoid(insertions, found.shares.numpy()))
            )


def test_blurring_is_a_gaussian(images: Tensor) -> None:
    picture = images[0, 0].numpy()
    weights = [[np.exp(-(a * a + b * b) / 50) for b in range(-5, 6)] for a in range(-5, 6)]
    padded = np.pad(picture, 5, mode="edge")
    wanted = sum(weights[a][b] * padded[a : a + 8, b : b + 8] for a in range(11) for b in range(11)) / np.sum(
        weights
    )
    np.testing.assert_allclose(blurred(images)[0, 0].numpy(), wanted)


def test_edges_are_where_the_picture_changes() -> None:
    picture = torch.zeros(1, 2, 6, 6)
    picture[..., 3:] = 1.0
    assert edge_maps(picture)[0].sum(0).nonzero().flatten().tolist() == [2, 3]
    assert not torch.equal(*random_maps(torch.zeros(2, 1, 6, 6), 0))


def test_equal_values_are_ranked_at_random_and_maps_must_fit(clean: nn.Module, images: Tensor) -> None:
    question = _question(clean, images)
    flat = torch.zeros(5, 8, 8)
    curves = [deletion_and_insertion(question, flat, seed=seed).deletion for seed in (0, 0, 1)]
    assert torch.equal(curves[0], curves[1])
    assert not torch.equal(curves[0], curves[2])
    with pytest.raises(InputError, match="maps are"):
        deletion_and_insertion(question, flat[:3])
    with pytest.raises(ConfigError, match="step is 0"):
        deletion_and_insertion(question, flat, step=0)


def test_rank_correlation_is_spearmans(images: Tensor) -> None:
    first, second = images[:, 0].round(decimals=1), images.flip(0)[:, 0].round(decimals=1)
    found = rank_correlation(first, second)
    for place in range(5):
        wanted = stats.spearmanr(first[place].flatten(), second[place].flatten()).statistic
        assert found[place] == pytest.approx(wanted)
    assert rank_correlation(first, torch.ones_like(first)).tolist() == [0.0] * 5


def test_an_estimate_is_students_interval() -> None:
    values = [0.2, 0.5, 0.9, float("nan")]
    found = estimate(values)
    low, high = stats.t.interval(0.95, 2, loc=np.mean(values[:3]), scale=stats.sem(values[:3]))
    assert (found.low, found.high, found.count) == (pytest.approx(low), pytest.approx(high), 3)
    assert np.isnan(estimate([1.0]).low)
    assert np.isnan(estimate([]).mean)


def test_entropy_of_a_histogram() -> None:
    values = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    for row, found in zip(values, entropy(values), strict=True):
        counts: dict[int, int] = {}
        low, high = float(row.min()), float(row.max())
        for value in row.double().flatten().tolist():
            cell = min(99, int((value - low) / (high - low) * 100))
            counts[cell] = counts.get(cell, 0) + 1
        wanted = -sum(count / 64 * np.log(count / 64) for count in counts.values())
        assert found == pytest.approx(wanted, abs=0.05)  # a value on the border of two cells may be in either


def test_layers_are_shuffled_one_after_the_other_from_either_end(clean: nn.Module, images: Tensor) -> None:
    layers = layers_with_weights(clean, find_calls(clean, images[:1]))
    assert layers == [
        ["conv1.weight", "conv1.bias"],
        ["conv2.weight", "conv2.bias"],
        ["norm.weight", "norm.bias"],
        ["classifier.weight", "classifier.bias"],
    ]
    before = {name: value.clone() for name, value in clean.state_dict().items()}
    ends = {}
    for order, first in (("top-down", "classifier"), ("bottom-up", "conv1")):
        changed = []
        for name, network in shuffled_networks(clean, layers, order, steps=4, seed=0):
            state = network.state_dict()
            changed.append(
                {key.split(".")[0] for key, value in state.items() if not torch.equal(value, before[key])}
            )
            assert name in changed[-1]
            ends[order] = {key: value.clone() for key, value in state.items()}
        assert changed[0] == {first}
        assert [len(each - {"norm"}) for each in changed][-1] == 3
    for key, value in ends["top-down"].items():
        assert torch.equal(value, ends["bottom-up"][key])
        torch.testing.assert_close(value.flatten().sort().values, before[key].flatten().sort().values)
    assert all(torch.equal(value, before[key]) for key, value in clean.state_dict().items())
    with pytest.raises(ConfigError, match="order 'sideways'"):
        next(shuffled_networks(clean, layers, "sideways", steps=1, seed=0))


def test_heads_that_play_no_part_are_not_shuffled(auxiliary: nn.Module, images: Tensor) -> None:
    names = [
        name for layer in layers_with_weights(auxiliary, find_calls(auxiliary, images[:1])) for name in layer
    ]
    assert [name.split(".")[0] for name in names[::2]] == ["conv1", "conv2", "classifier"]


@pytest.mark.parametrize("order", ["top-down", "bottom-up"])
def test_randomization_compares_with_the_map_of_the_shuffled_network(
    order: str, clean: nn.Module, images: Tensor
) -> None:
    question, method = _question(clean, images), METHODS["gradient"]
    found = randomize(question, method, order, steps=4)
    assert found.signed.shape == found.absolute.shape == (5, 4)
    layers = layers_with_weights(clean, question.calls)
    own = method.answer(question).maps[""].sum(1)
    for step, (_, network) in enumerate(shuffled_networks(clean, layers, order, steps=4, seed=0)):
        other = method.answer(_question(network, images)).maps[""].sum(1)
        np.testing.assert_allclose(found.signed[:, step], rank_correlation(own, other))
        np.testing.assert_allclose(found.absolute[:, step], rank_correlation(own.abs(), other.abs()))
    np.testing.assert_allclose(found.entropy_rise, (entropy(other) - entropy(own)) / entropy(own))


def test_maps_of_edges_do_not_change_and_are_told(clean: nn.Module, images: Tensor) -> None:
    question = _question(clean, images)
    found = randomize(question, OF_EDGES)
    np.testing.assert_allclose(found.signed, 1.0)
    np.testing.assert_allclose(found.entropy_rise, 0.0)
    for verdicts in check_maps(question, OF_EDGES):
        assert verdicts[0].passed is False
        assert verdicts[0].words == (
            "This map barely changes when the network's weights are randomized (rank correlation 1.00): it shows "
            "edges of the picture, not what the network learned."
        )
        assert verdicts[1].passed is not True  # edges do no better than edges


def test_sensitivity_is_the_largest_relative_change(clean: nn.Module, images: Tensor) -> None:
    method = METHODS["gradient-x-input"]
    found = sensitivity(_question(clean, images), method, radius=0.1, draws=3, seed=2)
    draws = torch.Generator().manual_seed(2)
    own = method.answer(_question(clean, images)).maps[""]
    wanted = np.zeros(5)
    for _ in range(3):
        noise = 2 * torch.rand(1, 8, 8, generator=draws) - 1
        reach = 0.1 * (images.amax((1, 2, 3)) - images.amin((1, 2, 3)))
        other = method.answer(_question(clean, images + reach.view(-1, 1, 1, 1) * noise)).maps[""]
        wanted = np.maximum(
            wanted, ((other - own).flatten(1).norm(dim=1) / own.flatten(1).norm(dim=1)).numpy()
        )
    np.testing.assert_allclose(found, wanted)
    with pytest.raises(ConfigError, match="radius 0"):
        sensitivity(_question(clean, images), method, radius=0)


def test_agreement_of_methods(images: Tensor) -> None:
    maps = images[:, 0]
    found = agreement({"one": maps, "twice": 2 * maps, "against": -maps})
    assert found.of("twice", "one").mean == pytest.approx(1)
    assert found.of("one", "against").mean == pytest.approx(-1)
    assert next(each["methods"] for each in found.to_dict()) == ["one", "twice"]
    with pytest.raises(InputError, match="one shape"):
        agreement({"one": maps, "small": maps[:, :4]})


def test_pointing_and_energy() -> None:
    maps = np.zeros((3, 4, 4))
    maps[0, 0, 1], maps[0, 3, 3], maps[1, 2, 2], maps[1, 0, 0] = 3.0, 1.0, 2.0, -9.0
    mask = box_mask(4, 4, (0, 2, 0, 2))
    assert pointing_game(maps, mask).tolist() == [True, False, False]  # a flat map points nowhere
    assert pointing_game(maps, mask, tolerance=1).tolist() == [True, True, False]
    np.testing.assert_allclose(energy_inside(maps, mask), [0.75, 0.0, np.nan])
    with pytest.raises(InputError, match="box is"):
        box_mask(4, 4, (0, 5, 0, 2))
    with pytest.raises(InputError, match="masks"):
        energy_inside(maps, mask[:2])


@pytest.mark.parametrize(
    "name", ["integrated-gradients", "gradient-x-input", "occlusion", "guided-backpropagation"]
)
def test_the_planted_square_is_found(name: str, planted) -> None:  # type: ignore[no-untyped-def]
    """The square says the class where nothing else does: 1 in 16 of the pixels has far more than its share."""
    fooled = planted.model.network(planted.model.preprocess(planted.moved.pixels)).argmax(1) == CUE_CLASS
    pictures = planted.moved.pixels[fooled][:40]
    found = explain(planted.model, pictures, CUE_CLASS, method=name)
    energy = energy_inside(np.stack([each.importance for each in found]), CORNER)
    assert np.nanmean(energy) > 4 / 16


def test_methods_are_judged_side_by_side(planted) -> None:  # type: ignore[no-untyped-def]
    given = open_explained(planted.model, planted.moved.pixels[:12])
    question: Callable[[str], Question] = lambda name: ask(given, METHODS[name], CUE_CLASS)[0]  # noqa: E731
    found = judge_methods(question, ("integrated-gradients", "grad-cam", "lrp"), randomized=4, masks=CORNER)
    rows = {row.method: row for row in found.rows}
    assert list(rows) == ["integrated-gradients", "grad-cam", "lrp", "random map", "edge detector"]
    assert rows["integrated-gradients"].deletion.count == 12
    assert rows["integrated-gradients"].top_down is not None
    assert rows["integrated-gradients"].top_down.count == 4
    assert rows["random map"].top_down is None
    chance = rows["random map"]
    assert rows["integrated-gradients"].insertion.mean - rows["integrated-gradients"].deletion.mean > (
        chance.insertion.mean - chance.deletion.mean
    )
    assert json.loads(json.dumps(found.to_dict()))["methods"][0]["energy"]["count"] == 12
    assert str(found).splitlines()[0].startswith("method")


def test_a_method_that_cannot_is_told_with_its_reason(in_place: nn.Module, images: Tensor) -> None:
    found = judge_methods(lambda name: _question(in_place, images), ("lrp",))
    assert "choose integrated-gradients" in found.refused["lrp"]
    assert [row.method for row in found.rows] == ["random map", "edge detector"]

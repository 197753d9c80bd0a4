"""Pinball loss against scikit-learn, slow loops and finite differences; quantiles there and back, never crossing."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_pinball_loss

from convnets.errors import ConfigError
from convnets.tables.load_table import load_table
from convnets.tables.quantiles import are_quantiles, constant_quantiles, middle_place, pinball
from convnets.tables.table_set import TableSet
from convnets.tables.target import Target
from convnets.training.objectives.numbers import NumbersObjective

LEVELS = (0.1, 0.4, 0.95)


def two_numbers(rows: int = 40) -> TableSet:
    rng = np.random.default_rng(3)
    first, second = rng.gamma(2, 3, rows) + 1, rng.lognormal(8, 1, rows)
    return load_table(np.column_stack([rng.normal(size=rows), first, second]), ["x2", "x3"])


def test_pinball_is_scikit_learns_and_a_slow_loops() -> None:
    rng = np.random.default_rng(0)
    answers, targets = rng.normal(size=(30, 6)), rng.normal(size=(30, 2))
    found = pinball(torch.from_numpy(answers), torch.from_numpy(targets), LEVELS).numpy()
    assert found.shape == (30, 2, 3)
    for number in range(2):
        for place, level in enumerate(LEVELS):
            given = answers[:, 3 * number + place]
            theirs = mean_pinball_loss(targets[:, number], given, alpha=level)
            assert found[:, number, place].mean() == pytest.approx(theirs, rel=1e-12)
            for row in range(30):
                above = targets[row, number] - given[row]
                slow = level * above if above >= 0 else (1 - level) * -above
                assert found[row, number, place] == pytest.approx(slow, rel=1e-12)


def test_gradients_are_those_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    answers = torch.randn(8, 6, dtype=torch.float64, generator=generator, requires_grad=True)
    targets = torch.randn(8, 2, dtype=torch.float64, generator=generator)
    pinball(answers, targets, LEVELS).mean().backward()
    assert answers.grad is not None
    step = 1e-6
    for place in np.ndindex(8, 6):
        moved = []
        for sign in (1, -1):
            other = answers.detach().clone()
            other[place] += sign * step
            moved.append(float(pinball(other, targets, LEVELS).mean()))
        assert float(answers.grad[place]) == pytest.approx((moved[0] - moved[1]) / (2 * step), abs=1e-9)


def test_the_objective_learns_what_pinball_says_and_counts_r1() -> None:
    table = two_numbers()
    target = Target.fit(table, quantiles=LEVELS)
    learned = torch.from_numpy(target.encode(table))
    objective = NumbersObjective.of("pinball", target, learned)
    assert objective is not None
    assert objective.kind == "quantiles"
    answers = torch.randn(40, 6, generator=torch.Generator().manual_seed(1), requires_grad=True)
    loss, explained = objective.judge(answers, learned)
    assert float(loss.detach()) == pytest.approx(float(pinball(answers.detach(), learned, LEVELS).mean()))
    loss.backward()
    assert answers.grad is not None
    rising = (learned[:, :, None] > answers.detach().reshape(40, 2, 3)).float()
    wanted = -(rising * torch.tensor(LEVELS) + (1 - rising) * (torch.tensor(LEVELS) - 1)) / 240
    assert torch.allclose(answers.grad.reshape(40, 2, 3), wanted, atol=1e-9)
    own = torch.from_numpy(constant_quantiles(learned.numpy(), LEVELS)).float().expand(40, -1)
    assert float(objective.judge(own, learned)[1]) == pytest.approx(
        0, abs=1e-4
    )  # 0 of the rows' own quantiles
    perfect = learned.repeat_interleave(3, 1)
    assert float(objective.judge(perfect, learned)[1]) == pytest.approx(40)
    assert float(explained) == pytest.approx(40 * (1 - float(loss.detach()) / objective.reference), rel=1e-5)


@pytest.mark.parametrize("level", [0.05, 0.3, 0.5, 0.9])
def test_no_constant_has_less_loss_than_the_quantile(level: float) -> None:
    values = np.random.default_rng(1).gamma(1.5, 2, (37, 2))
    found = constant_quantiles(values, (level,))
    for number in range(2):
        least = min(
            mean_pinball_loss(values[:, number], np.full(37, each), alpha=level) for each in values[:, number]
        )
        own = mean_pinball_loss(values[:, number], np.full(37, found[0, number]), alpha=level)
        assert own == pytest.approx(least, rel=1e-12)


@pytest.mark.parametrize("logarithm", [False, True])
def test_quantiles_come_back_in_their_own_unit_and_never_cross(logarithm: bool) -> None:
    table = two_numbers()
    target = Target.fit(table, logarithm=logarithm, quantiles=LEVELS)
    target = Target.from_dict(json.loads(json.dumps(target.to_dict())))
    assert target.outputs == 6
    assert target.answer_names == ("x2 q0.1", "x2 q0.4", "x2 q0.95", "x3 q0.1", "x3 q0.4", "x3 q0.95")
    answers = np.random.default_rng(2).normal(size=(40, 6))
    found = target.decode(answers)
    for row in range(40):  # by a loop
        for number in range(2):
            for place, value in enumerate(sorted(answers[row, 3 * number : 3 * number + 3])):
                plain = value * target.std[number] + target.mean[number]
                wanted = np.exp(plain) if logarithm else plain
                assert found[row, 3 * number + place] == pytest.approx(wanted, rel=1e-12)
    assert np.array_equal(target.single(found), found[:, [1, 4]])  # of 0.4, the nearest to the median
    true = target.encode(table)
    assert np.allclose(target.decode(true.repeat(3, 1)), target.values(table).repeat(3, 1), rtol=1e-5)


def test_sorting_never_costs_loss() -> None:
    rng = np.random.default_rng(4)
    answers, targets = rng.normal(size=(500, 3)), rng.normal(size=(500, 1))
    given, ordered = (
        pinball(torch.from_numpy(each), torch.from_numpy(targets), LEVELS).sum((1, 2))
        for each in (answers, np.sort(answers, axis=1))
    )
    assert bool((ordered <= given + 1e-12).all())
    assert float((given - ordered).max()) > 0.1


def test_levels_and_the_one_nearest_to_the_median() -> None:
    assert [are_quantiles(each) for each in ((0.1,), (0.1, 0.1), (0.0,), (1.0,), (0.9, 0.1), (float("nan"),))] == [
        True, False, False, False, False, False,
    ]  # fmt: skip
    assert [middle_place(each) for each in ((0.9,), (0.1, 0.3), (0.4, 0.6), (0.2, 0.45, 0.6))] == [0, 1, 0, 1]


def test_older_folders_have_no_quantiles_and_damaged_ones_are_refused() -> None:
    target = Target.fit(two_numbers(), quantiles=LEVELS)
    known = target.to_dict()
    older = {key: value for key, value in known.items() if key != "quantiles"}
    assert Target.from_dict(older) == Target.fit(two_numbers())
    for levels in ([0.5, 0.1], [0, 0.5], [0.5, 0.5], ["a"], 3):
        with pytest.raises(ConfigError, match="the target of a table") as caught:
            Target.from_dict({**known, "quantiles": levels})
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="of numbers"):
        Target.from_dict({"names": ["y"], "classes": ["a", "b"], "mean": [], "std": [], "logarithm": False,
                          "quantiles": [0.5]})  # fmt: skip

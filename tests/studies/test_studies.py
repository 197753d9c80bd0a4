"""Studies against loops and closed forms, and the command that runs them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from convnets.cli.main import run
from convnets.errors import ConfigError, InputError, UnknownNameError
from convnets.studies.catalogue import STUDIES, run_study
from convnets.studies.discretization import discretization
from convnets.studies.double_descent import double_descent
from convnets.studies.dropout import dropout
from convnets.studies.initializers import initializers
from convnets.studies.perceptron import learn_perceptron, perceptron
from convnets.studies.polynomials import polynomials
from convnets.studies.taylor import SERIES, taylor
from convnets.studies.xor import xor


def test_no_set_makes_more_mistakes_than_novikoffs_bound() -> None:
    found = perceptron(points=60, seeds=4)
    assert (found.mistakes >= 1).all()
    assert (found.mistakes <= found.bounds).all()
    assert found.bounds[-1].min() > 100 * found.bounds[0].max()  # a narrower margin allows more


def test_the_rule_is_a_plain_loop_and_never_ends_on_xor() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 3))
    y = np.sign(x @ [1.0, -2.0, 0.5])
    w, made = [0.0, 0.0, 0.0], 0
    while True:
        wrong = 0
        for row, label in zip(x.tolist(), y.tolist(), strict=True):
            if label * sum(a * b for a, b in zip(w, row, strict=True)) <= 0:
                w = [a + label * b for a, b in zip(w, row, strict=True)]
                wrong += 1
        made += wrong
        if not wrong:
            break
    ours, mistakes, ended = learn_perceptron(x, y)
    assert (mistakes, ended) == (made, True)
    assert np.allclose(ours, w)
    corners = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1.0]])  # the last number is the bias's
    assert learn_perceptron(corners, np.array([-1, 1, 1, -1.0]))[2] is False


def test_the_signal_follows_the_closed_form() -> None:
    found = initializers(layers=6, width=512, seeds=4)
    for name, row in found.measured.items():
        assert np.allclose(row, found.predicted[name], rtol=0.25), name
    assert np.allclose(found.predicted["kaiming-normal"], 2)
    assert np.allclose(found.predicted["xavier-normal"], 0.5 ** np.arange(6))


def test_dropout_keeps_the_mean_and_has_its_variance() -> None:
    found = dropout(draws=40_000)
    p = found.probabilities
    error = np.sqrt(p / (1 - p) / found.draws)
    assert (np.abs(found.means - 1) < 5 * error).all()
    assert np.allclose(found.variances, p / (1 - p), rtol=0.1)


def test_the_test_error_peaks_where_features_are_as_many_as_examples() -> None:
    found = double_descent(examples=60, seeds=3)
    middle = np.median(found.test_errors, 1)
    assert abs(int(found.widths[middle.argmax()]) - 60) <= 6
    assert middle.max() > 5 * middle[-1]
    assert (found.train_errors[found.widths > 66] < 1e-12).all()
    assert (np.diff(np.median(found.train_errors, 1)[:6]) < 0).all()


def test_an_mlp_learns_xor_and_the_perceptron_does_not() -> None:
    found = xor(steps=300)
    assert found.perceptron_right < 4
    assert found.perceptron_mistakes >= found.perceptron_epochs  # at least one in every pass
    assert found.right[-1] == 4
    assert (found.losses[0], found.losses[-1]) == (
        pytest.approx(np.log(2), abs=0.2),
        pytest.approx(0, abs=0.01),
    )
    ends = [found.answers[-1][row, column] for row, column in ((10, 10), (30, 10), (10, 30), (30, 30))]
    assert np.sign(ends).tolist() == [-1, 1, 1, -1]  # the corners' places on the grid


def test_a_cubic_is_learned_best_by_a_cubic() -> None:
    found = polynomials(seeds=20)
    train, test = np.median(found.train_errors, 1), np.median(found.test_errors, 1)
    assert int(test.argmin()) == 3
    assert (np.diff(found.train_errors, axis=0) <= 1e-12).all()  # each degree holds the one before
    assert test[14] > 100 * test[3]
    assert train[14] < found.noise < test[3]
    # with d + 1 free numbers and 20 points least squares leaves (1 − (d + 1)/20) of the noise
    assert np.isclose(found.train_errors[3].mean(), found.noise * (1 - 4 / 20), rtol=0.25)
    plain = np.vander(found.points[0], 4)
    left = found.points[1] - plain @ np.linalg.lstsq(plain, found.points[1], rcond=None)[0]
    assert np.isclose(found.train_errors[3, 0], (left**2).mean())


def test_series_are_those_of_the_derivatives() -> None:
    found = taylor(layers=2, width=32)
    middle, step = len(found.x) // 2, found.x[1] - found.x[0]
    for name, (value, slope, third) in SERIES.items():
        y = found.values[name]
        around = y[middle - 2 : middle + 3]
        assert np.isclose(around[2], value)
        assert np.isclose(
            (8 * (around[3] - around[1]) - (around[4] - around[0])) / (12 * step), slope, atol=1e-4
        )
        cubic = (around[4] - 2 * around[3] + 2 * around[1] - around[0]) / (2 * step**3) / 6
        assert np.isclose(cubic, third, atol=0.01)


def test_a_small_slope_ends_the_signal_and_a_slope_of_one_keeps_it() -> None:
    found = taylor(layers=10, width=128)
    ends = {name: row[-1] for name, row in found.variances.items()}
    assert ends["sigmoid"] < 1e-10 < ends["relu"] < ends["tanh"] < ends["4σ(x) − 2"]
    ratios = found.variances["sigmoid"][1:] / found.variances["sigmoid"][:-1]
    assert (ratios < 1 / 16 * 1.1).all()  # slope ¼ squared
    assert found.gradients["sigmoid"][0] < 1e-10 < found.gradients["tanh"][0]


def test_discretization_by_what_each_method_is_for() -> None:
    found = discretization(rows=1000)
    assert np.allclose(np.diff(found.edges["width"]), np.diff(found.edges["width"])[0])
    assert found.counts["frequency"].max() - found.counts["frequency"].min() <= 1
    assert all(counts.sum() == 1000 for counts in found.counts.values())
    assert max(found.kept, key=found.kept.__getitem__) == "clusters"
    assert max(found.explained, key=found.explained.__getitem__) == "frequency"
    edges, x = found.edges["width"], found.values
    cut = np.clip(np.digitize(x, edges) - 1, 0, 7)
    between = sum(
        (cut == b).sum() * (x[cut == b].mean() - x.mean()) ** 2 for b in range(8) if (cut == b).any()
    )
    assert np.isclose(found.kept["width"], between / ((x - x.mean()) ** 2).sum())


@pytest.mark.parametrize("name", sorted(STUDIES))
def test_the_command_prints_draws_and_repeats(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = []
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            run(["study", name, "--json", "--out", str(tmp_path / "a.png")])
        assert ended.value.code == 0
        written.append(json.loads(capsys.readouterr().out))
    assert written[0] == written[1] == run_study(name).to_dict()
    assert (tmp_path / "a.png").stat().st_size > 5000


def test_studies_are_listed_and_wrong_ones_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(["study"])
    assert all(name in capsys.readouterr().out for name in ["perceptron"])
    with pytest.raises(SystemExit) as ended:
        run(["study", "perceptrn"])
    assert ended.value.code == 2
    assert "nearest: perceptron" in capsys.readouterr().err
    with pytest.raises(UnknownNameError):
        run_study("x")
    with pytest.raises(ConfigError):
        dropout(draws=1)
    for bad in (
        lambda: xor(steps=1), lambda: polynomials(points=3), lambda: taylor(layers=0), lambda: discretization(bins=1)
    ):  # fmt: skip
        with pytest.raises(ConfigError):
            bad()
    with pytest.raises(InputError):
        learn_perceptron(np.zeros((2, 2)), np.zeros(2))

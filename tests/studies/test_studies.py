"""Studies against loops and closed forms, and the command that runs them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from convnets.cli.main import run
from convnets.errors import ConfigError, InputError, UnknownNameError
from convnets.studies.catalogue import STUDIES, run_study
from convnets.studies.double_descent import double_descent
from convnets.studies.dropout import dropout
from convnets.studies.initializers import initializers
from convnets.studies.perceptron import learn_perceptron, perceptron


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
    with pytest.raises(InputError):
        learn_perceptron(np.zeros((2, 2)), np.zeros(2))

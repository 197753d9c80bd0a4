"""Cross-validation: nothing of a held-out image reaches its run, and what was stopped goes on."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from convnets.checkpoints.model_folder import load_model
from convnets.data.image_set import ImageSet, Splits
from convnets.data.preprocess import resize_short_side
from convnets.data.sources import load_data
from convnets.errors import ConfigError, RunError, UnknownNameError
from convnets.evaluation.evaluate import evaluate
from convnets.selection.folds.cross_validate import cross_validate
from convnets.selection.folds.cross_validation import CrossValidation, read_cross_validation
from convnets.selection.folds.out_of_fold import read_out_of_fold
from convnets.selection.folds.splitting import make_folds
from convnets.serving.predictor import Predictor
from convnets.training.config import TrainConfig
from convnets.training.events import EpochEnded, Event
from convnets.training.runs.run import Run

CONFIG = TrainConfig(epochs=2, batch_size=64, learning_rate=0.01, precision="fp32", threads=1)


def test_out_of_fold_rows_come_from_the_run_that_had_not_seen_the_image(
    digits_folds: CrossValidation,
) -> None:
    images = load_data("digits").train
    found = digits_folds.out_of_fold()
    assert found.labels.equal(images.labels)
    for fold, run in zip(make_folds(images.labels, 3), digits_folds.runs(), strict=True):
        model = run.load()
        held_out = images.subset(fold.held_out)
        said = evaluate(model.network, held_out, model.preprocess)
        torch.testing.assert_close(
            found.probabilities[list(fold.held_out)], said.probabilities, atol=1e-5, rtol=0
        )
        assert run.results["test"]["accuracy"] == pytest.approx(said.accuracy)
    right = (found.probabilities.argmax(1) == images.labels).double().mean()
    sizes = [score.images for score in digits_folds.scores]
    assert float(right) == pytest.approx(np.average(digits_folds.accuracies, weights=sizes))


def test_mean_and_spread_of_pixels_are_those_of_the_training_folds_alone(tmp_path: Path) -> None:
    """Held-out images are white here, and so would move the mean of any run that had looked at them."""
    pixels = torch.randint(100, (120, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    labels = torch.arange(120) % 2
    folds = make_folds(labels, 2)
    for fold in folds:
        white = pixels.clone()
        white[list(fold.held_out)] = 255
        made = cross_validate(
            "softmax", ImageSet(white, labels, ("a", "b")), replace(CONFIG, epochs=1), folds=2,
            output=tmp_path, name=fold.name, listeners=(),
        )  # fmt: skip
        run = made.runs()[fold.number - 1]
        mean, std = run.load().preprocess.mean[0], run.load().preprocess.std[0]
        own = pixels[list(fold.train)].numpy() / 255
        assert mean == pytest.approx(own.mean(), abs=0.01)  # a validation tenth of it is left out
        assert std == pytest.approx(own.std(), abs=0.01)
        hashes = run.settings["data"]["content_hash"]
        held_out = ImageSet(white, labels, ("a", "b")).subset(fold.held_out)
        assert hashes["test"] == held_out.content_hash()


def test_the_test_images_of_the_data_are_not_looked_at(tmp_path: Path) -> None:
    images = load_data("digits").train

    class Untouchable:
        classes = images.classes

        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"{name} of the test images")

    data = Splits(images, None, Untouchable())  # type: ignore[arg-type]
    made = cross_validate("softmax", data, replace(CONFIG, epochs=1), folds=2, output=tmp_path, listeners=())
    assert made.complete


def test_the_ensemble_is_the_mean_of_its_members_and_is_used_like_any_model(
    digits_folds: CrossValidation,
) -> None:
    test = load_data("digits").test
    assert test is not None
    members = [run.load() for run in digits_folds.runs()]
    each = [evaluate(m.network, test, m.preprocess).probabilities.double() for m in members]
    ensemble = load_model(digits_folds.model_folder)
    said = evaluate(ensemble.network, test, ensemble.preprocess).probabilities
    torch.testing.assert_close(said.double(), torch.stack(each).mean(0), atol=1e-6, rtol=1e-5)
    large = (
        resize_short_side(test.pixels[:50].float(), 28).round().to(torch.uint8)
    )  # as the network takes them
    answers = torch.stack([m.network(m.preprocess(large)).softmax(1) for m in members]).mean(0)
    found = Predictor.load(digits_folds.model_folder).predict(large, top=10)
    for row, prediction in zip(answers.tolist(), found, strict=True):
        assert dict(prediction.top) == pytest.approx(dict(zip(test.classes, row, strict=True)), abs=1e-5)
    with torch.no_grad():
        vectors = ensemble.network.embed(ensemble.preprocess(large))
    assert vectors.shape[1] == 3 * members[0].network.embedding_size


def test_it_goes_on_where_it_was_stopped_and_gives_the_same(
    tmp_path: Path, digits_folds: CrossValidation
) -> None:
    seen: list[Event] = []

    def stop_in_the_second_fold(event: Event) -> None:
        seen.append(event)
        if isinstance(event, EpochEnded) and sum(isinstance(each, EpochEnded) for each in seen) == 3:
            raise KeyboardInterrupt

    stopped = cross_validate(
        "mlp", "digits", CONFIG, folds=3, output=tmp_path, name="x", listeners=[stop_in_the_second_fold]
    )
    assert (stopped.stopped, len(stopped.accuracies), stopped.complete) == ("interrupted", 1, False)
    assert [score.status for score in stopped.scores] == ["finished", "interrupted", "not begun"]
    first = (tmp_path / "x/folds/repeat1-fold1/model/model.safetensors").stat().st_mtime_ns
    with pytest.raises(RunError, match="holds another run"):
        cross_validate("mlp", "digits", CONFIG, folds=3, output=tmp_path, name="x", listeners=())
    with pytest.raises(RunError, match="was begun with folds 3, now it is 4"):
        cross_validate("mlp", "digits", CONFIG, folds=4, output=tmp_path, name="x", go_on=True, listeners=())
    made = cross_validate(
        "mlp", "digits", CONFIG, folds=3, output=tmp_path, name="x", go_on=True, listeners=()
    )
    assert made.complete
    assert (tmp_path / "x/folds/repeat1-fold1/model/model.safetensors").stat().st_mtime_ns == first
    assert made.accuracies == digits_folds.accuracies
    assert made.out_of_fold().probabilities.equal(digits_folds.out_of_fold().probabilities)


def test_folds_side_by_side_give_the_same(tmp_path: Path, digits_folds: CrossValidation) -> None:
    made = cross_validate("mlp", "digits", CONFIG, folds=3, output=tmp_path, jobs=2)
    assert made.out_of_fold().probabilities.equal(digits_folds.out_of_fold().probabilities)


def test_disagreements_are_listed_with_the_strongest_first(digits_folds: CrossValidation) -> None:
    with (digits_folds.path / "disagreement.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    values = [float(row["disagreement"]) for row in rows]
    assert len(rows) == 1437
    assert values == sorted(values, reverse=True)
    said = [run.load() for run in digits_folds.runs()]
    images = load_data("digits").train.subset([int(rows[0]["index"])])
    for number, model in enumerate(said, 1):
        place = int(evaluate(model.network, images, model.preprocess).probabilities.argmax())
        assert rows[0][f"repeat1-fold{number}"] == images.classes[place]
    assert (digits_folds.path / "disagreement.png").stat().st_size > 1000


def test_what_is_refused(tmp_path: Path, digits_folds: CrossValidation) -> None:
    with pytest.raises(UnknownNameError):
        cross_validate("lenett", "digits")
    with pytest.raises(ConfigError, match="allowed with folds: classification"):
        cross_validate("mlp", "digits", TrainConfig(objective="triplet"))
    with pytest.raises(ConfigError, match="jobs is 0"):
        cross_validate("mlp", "digits", jobs=0)
    with pytest.raises(ConfigError, match="1 groups for 1437 images"):
        cross_validate("mlp", "digits", groups=["a"], output=tmp_path)
    with pytest.raises(RunError, match="is no cross-validation"):
        read_cross_validation(tmp_path)
    assert isinstance(digits_folds.runs()[0], Run)
    assert json.loads(json.dumps(digits_folds.to_dict()))["folds"] == 3
    assert "over 3 folds" in str(digits_folds)
    assert "over 3 folds" in digits_folds._repr_html_()


def test_the_table_is_read_back_to_nine_digits(digits_folds: CrossValidation, tmp_path: Path) -> None:
    found = digits_folds.out_of_fold()
    again = read_out_of_fold(found.save(tmp_path / "again.csv"))
    assert again.probabilities.equal(found.probabilities)
    assert again.classes == found.classes

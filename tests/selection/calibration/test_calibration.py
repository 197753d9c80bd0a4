"""Calibration: disjoint halves, nothing of the test images, and what is kept is what is used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from convnets.checkpoints.model_folder import load_model
from convnets.data.image_set import ImageSet, Splits
from convnets.data.sources import load_data
from convnets.errors import ConfigError, DataError, ModelFolderError, UsageError
from convnets.evaluation.evaluate import evaluate
from convnets.selection.calibration.calibration import Calibration, fit_calibration, halves
from convnets.serving.calibration import calibrate_model, measure_calibration
from convnets.serving.predictor import Predictor
from convnets.training.config import TrainConfig
from convnets.training.runs.run import Run
from convnets.training.task import prepare
from convnets.training.train import train

CONFIG = TrainConfig(
    epochs=4, calibration=0.3, validation=0.1, learning_rate=0.01, batch_size=64, precision="fp32", threads=1
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Trained on digits without three tenths of the training images, and calibrated on these."""
    made = train(
        "mlp", "digits", CONFIG, output=tmp_path_factory.mktemp("calibrated"), name="x", listeners=()
    )
    calibrate_model(made.path)
    return made


def scores(images: int = 400, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(images, 4, generator=generator, dtype=torch.float64)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator).flatten()
    return (2 * logits).log_softmax(1), labels


def test_parts_of_a_run_have_no_image_in_common() -> None:
    """Each image is a number of its own here."""
    numbers = torch.arange(400)
    pixels = (
        torch.stack([numbers // 256, numbers % 256], 1).view(400, 1, 1, 2).repeat(1, 1, 8, 4).to(torch.uint8)
    )
    data = Splits(ImageSet(pixels, numbers % 4, tuple("abcd")))
    task = prepare("softmax", data, TrainConfig(calibration=0.25, validation=0.2))
    assert task.calibration is not None
    assert task.validation is not None
    found = []
    for part in (task.train, task.validation, task.calibration):
        own = part.pixels[:, 0, 0, :2].long()
        found.append(set((own[:, 0] * 256 + own[:, 1]).tolist()))
    assert [len(each) for each in found] == [240, 60, 100]
    assert len(set.union(*found)) == 400
    own_mean = task.train.pixels.double().mean() / 255
    assert task.preprocess.mean[0] == pytest.approx(float(own_mean))  # of the images that train alone
    kept = prepare("softmax", data, TrainConfig(calibration=0.25, validation=0.0)).calibration
    assert kept is not None
    assert kept.content_hash() == task.calibration.content_hash()  # whatever else is split off


def test_neither_half_touches_what_the_other_sets() -> None:
    log_p, labels = scores()
    first, second = halves(labels)
    assert not set(first.tolist()) & set(second.tolist())
    assert len(first) + len(second) == 400
    before = fit_calibration(log_p, labels)
    other = log_p.clone()
    other[second] = other[second].roll(1, 1)
    changed = fit_calibration(other, labels)
    assert changed.temperature == before.temperature
    assert changed.thresholds != before.thresholds
    assert changed.quantiles != before.quantiles
    assert before.hashes["temperature"] != before.hashes["decisions"]


def test_test_images_touch_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_model(run.model_folder).metrics["calibration"]
    data = load_data("digits")
    assert data.test is not None
    other = ImageSet(255 - data.test.pixels, data.test.labels.flip(0), data.classes, "digits")
    monkeypatch.setattr("convnets.training.task.load_data", lambda *_, **__: Splits(data.train, None, other))
    calibrate_model(run.path)
    assert load_model(run.model_folder).metrics["calibration"] == before


def test_the_calibration_is_of_the_part_that_was_kept_back(run: Run) -> None:
    model = load_model(run.model_folder)
    task = prepare("mlp", "digits", CONFIG)
    assert task.calibration is not None
    said = evaluate(model.network, task.calibration, model.preprocess).probabilities.double()
    expected = fit_calibration(said.clamp(min=1e-30).log(), task.calibration.labels)
    kept = Calibration.of(model.metrics)
    assert kept is not None
    assert kept.temperature == pytest.approx(expected.temperature, rel=1e-4)
    assert (kept.part, kept.source, kept.chosen_by) == ("calibration", "digits", False)
    assert kept.images == {"temperature": 215, "decisions": 216}


def test_the_predictor_answers_at_the_temperature_and_abstains(run: Run) -> None:
    test = load_data("digits").test
    assert test is not None
    from convnets.data.preprocess import resize_short_side

    large = resize_short_side(test.pixels[:200].float(), 28).round().to(torch.uint8)
    model = load_model(run.model_folder)
    kept = Calibration.of(model.metrics)
    assert kept is not None
    p = (model.network(model.preprocess(large)) / kept.temperature).softmax(1).detach()
    predictor = Predictor.load(run, abstain=0.95, coverage=0.9)
    threshold = kept.threshold(0.95)
    sets = kept.sets(p, 0.9)
    silent = 0
    for image, found in enumerate(predictor.predict(large, top=10)):
        assert found.confidence == pytest.approx(float(p[image].max()), abs=1e-5)
        assert found.abstained == (found.confidence < threshold)
        assert (found.label is None) == found.abstained
        assert set(found.possible) == {test.classes[k] for k in sets[image].nonzero().flatten().tolist()}
        silent += found.abstained
    assert 0 < silent < 200


def test_measuring_uses_other_images_and_changes_nothing(run: Run) -> None:
    before = (run.model_folder / "config.json").read_bytes()
    found = measure_calibration(run.path, levels=(0.9, 0.95))
    assert (run.model_folder / "config.json").read_bytes() == before
    assert found.part == "test"
    assert found.after.accuracy == found.before.accuracy
    assert found.after.nll.estimate < found.before.nll.estimate + 0.01
    json.dumps(found.to_dict(), allow_nan=False)
    assert "temperature" in str(found)
    with pytest.raises(UsageError, match="measure it on other images"):
        measure_calibration(run.path, part="calibration")


def test_what_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="part 'test' to calibrate by"):
        calibrate_model(run.path, part="test")
    plain = train("softmax", "digits", TrainConfig(epochs=1, threads=1), output=tmp_path, listeners=())
    with pytest.raises(UsageError, match="part 'calibration' of digits; allowed: train, validation, test"):
        calibrate_model(plain.path)
    with pytest.raises(UsageError, match="is not calibrated"):
        measure_calibration(plain.path)
    with pytest.raises(ConfigError, match="needs a calibrated model"):
        Predictor.load(plain, abstain=0.9)
    with pytest.raises(ConfigError, match=r"0\.50 to 0\.99 in hundredths"):
        Predictor.load(run, abstain=0.951)
    with pytest.raises(ConfigError, match=r"0\.50 to 0\.99 in hundredths"):
        Predictor.load(run, coverage=0.3)
    with pytest.raises(DataError, match="200 or more"):
        fit_calibration(*scores(199))
    with pytest.raises(ModelFolderError, match="calibration is damaged"):
        Calibration.of({"calibration": {"temperature": 1}})
    assert Calibration.of({}) is None

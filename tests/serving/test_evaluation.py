"""Evaluating a run gives the figures that the run itself wrote down, part by part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from convnets.core.hardware import choose_hardware
from convnets.data.image_set import Splits
from convnets.data.sources import load_data
from convnets.errors import DataError, ImageDecodeError, UsageError
from convnets.serving.evaluation import evaluate_model, write_evaluation_report
from convnets.training.config import TrainConfig
from convnets.training.runs.run import Run
from convnets.training.train import train

CONFIG = TrainConfig(epochs=2, batch_size=64, precision="fp32")


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train("lenet_bn", "digits", CONFIG, output=tmp_path_factory.mktemp("runs"), listeners=())


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Bright and dark pictures of mixed sizes in train/ and test/."""
    generator = torch.Generator().manual_seed(1)
    for index in range(48):
        part, name = ("test" if index >= 32 else "train"), ("bright" if index % 2 else "dark")
        folder = tmp_path / "photos" / part / name
        folder.mkdir(parents=True, exist_ok=True)
        pixels = torch.randint(200, (20 + index % 3, 24), dtype=torch.uint8, generator=generator)
        Image.fromarray((pixels + 55 * (index % 2)).numpy()).save(folder / f"{index:02}.png")
    return tmp_path / "photos"


def test_the_test_set_is_the_default_and_gives_the_runs_own_figure(digits_run: Run) -> None:
    judged = evaluate_model(digits_run.path)
    assert judged.part == "test"
    assert judged.evaluation.accuracy == digits_run.results["test"]["accuracy"]
    assert judged.evaluation.loss == pytest.approx(digits_run.results["test"]["loss"], rel=1e-6)


def test_the_validation_part_is_the_very_split_of_the_run(digits_run: Run) -> None:
    judged = evaluate_model(digits_run.path, part="validation")
    assert len(judged.images) == 144
    assert judged.evaluation.accuracy == digits_run.results["validation"]["accuracy"]
    train_part = evaluate_model(digits_run.path, part="train").images
    assert len(train_part) == 1437 - 144


def test_a_model_folder_is_enough_when_the_images_are_named(digits_run: Run) -> None:
    judged = evaluate_model(digits_run.model_folder, "digits", hardware=choose_hardware("cpu", "fp32"))
    assert judged.evaluation.accuracy == digits_run.results["test"]["accuracy"]
    with pytest.raises(UsageError, match="give some with --data"):
        evaluate_model(digits_run.model_folder)


@pytest.mark.parametrize("workers", [0, 2])
def test_files_are_evaluated_as_the_run_evaluated_them(photos: Path, tmp_path: Path, workers: int) -> None:
    config = replace(CONFIG, batch_size=8, size=16)
    run = train("resnet20", photos, config, output=tmp_path / "runs", listeners=())
    judged = evaluate_model(run.path, workers=workers)
    assert not judged.images.resident
    assert judged.evaluation.accuracy == run.results["test"]["accuracy"]
    page = write_evaluation_report(tmp_path / "page.html", judged)
    assert "resnet20 on" in page.read_text()


def test_pictures_that_the_run_left_out_stay_left_out(photos: Path, tmp_path: Path) -> None:
    (photos / "test" / "dark" / "32.png").write_bytes(b"not a picture")
    config = replace(CONFIG, batch_size=8, size=16)
    run = train("resnet20", photos, replace(config, skip_corrupt=1), output=tmp_path / "runs", listeners=())
    assert len(evaluate_model(run.path).images) == 15
    with pytest.raises(ImageDecodeError, match=r"dark/32\.png"):
        evaluate_model(run.model_folder, photos)


def test_a_part_that_is_not_there_is_refused(digits_run: Run, tmp_path: Path) -> None:
    run = train("mlp", "digits", replace(CONFIG, epochs=1, validation=0.0), output=tmp_path, listeners=())
    with pytest.raises(UsageError, match=r"part 'validation' of digits; allowed: train, test"):
        evaluate_model(run.path, part="validation")
    with pytest.raises(UsageError, match=r"part 'tset' of digits; allowed: train, validation, test"):
        evaluate_model(digits_run.path, part="tset")


def test_other_classes_are_refused(digits_run: Run, photos: Path) -> None:
    with pytest.raises(
        DataError, match=r"only in the model: \['0', '1'.*only in the images: \['bright', 'dark'\]"
    ):
        evaluate_model(digits_run.path, photos)


def test_a_run_on_images_from_memory_asks_for_them(tmp_path: Path) -> None:
    few = Splits(load_data("digits").train.subset(range(200)))
    run = train("mlp", few, replace(CONFIG, epochs=1), output=tmp_path, listeners=())
    with pytest.raises(UsageError, match="give some with --data"):
        evaluate_model(run.path)

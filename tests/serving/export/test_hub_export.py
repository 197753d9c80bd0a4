"""A folder for the Hub is a model folder with the same bits, and its card says what the run knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from scipy.stats import binomtest

from convnets.checkpoints.model_folder import TrainedModel, load_model, save_model
from convnets.cli.main import run as run_command
from convnets.core.storage.files import sha256_of_file
from convnets.data.preprocess import Preprocess
from convnets.data.sources import load_data
from convnets.errors import ModelFolderError, UsageError
from convnets.models.catalogue import create_model
from convnets.selection.robustness.corrupted_evaluation import CorruptedEvaluation
from convnets.serving.calibration import calibrate_model
from convnets.serving.export.hub_export import export_hub
from convnets.serving.predictor import Predictor
from convnets.training.config import TrainConfig
from convnets.training.runs.run import Run
from convnets.training.train import train

MISSING = "[More Information Needed]"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = TrainConfig(
        epochs=2, augment=("crop:1",), learning_rate=0.01, label_smoothing=0.1, seed=3, precision="fp32"
    )  # the export measures in float32 on every machine
    return train("mlp", "digits", config, output=tmp_path_factory.mktemp("runs"), listeners=())


def exported(*arguments: Any, **options: Any) -> tuple[dict[str, Any], str]:
    """Front matter and text of the card."""
    _, front, text = (
        (export_hub(*arguments, **options).path / "README.md").read_text("utf-8").split("---\n", 2)
    )
    return yaml.safe_load(front), text


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as status:
        run_command([str(each) for each in arguments])
    assert isinstance(status.value.code, int)
    return status.value.code


def test_the_folder_is_the_model_bit_for_bit(run: Run, tmp_path: Path) -> None:
    test = load_data("digits").test
    assert test is not None
    found = export_hub(run, tmp_path / "hub", images=test)
    assert sorted(path.name for path in found.path.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    weights = "model.safetensors"
    assert sha256_of_file(found.path / weights) == sha256_of_file(run.model_folder / weights)
    assert (found.recorded, found.measured, found.images) == (
        run.results["test"]["accuracy"],
        found.recorded,
        360,
    )
    pictures = test.pixels[:20]
    alone, again = (Predictor.load(each).predict(pictures) for each in (run, found.path))
    assert [each.top for each in again] == [each.top for each in alone]


def test_the_hub_reads_the_front_matter(run: Run, tmp_path: Path) -> None:
    front, _ = exported(run, tmp_path / "hub")
    card = ModelCard.load(tmp_path / "hub" / "README.md")
    assert (card.data.library_name, card.data.pipeline_tag) == ("convnets", "image-classification")
    (result,) = card.data.eval_results
    measured = run.results["test"]["accuracy"]
    assert (result.metric_type, result.metric_value) == ("accuracy", measured)
    assert (result.dataset_name, result.dataset_split, result.task_type) == (
        "digits",
        "test",
        card.data.pipeline_tag,
    )
    interval = binomtest(round(measured * 360), 360).proportion_ci(method="wilson")
    assert f"95 % interval {interval.low:.4f} to {interval.high:.4f}, 360 images" in result.metric_name
    assert "license" not in front
    assert card.data.model_name == "mlp"


def test_the_card_is_filled_from_the_run(run: Run, tmp_path: Path) -> None:
    _, text = exported(run, tmp_path / "hub", images=load_data("digits").test, repository="ada/digits")
    accuracy = run.results["test"]["accuracy"]
    for expected in (
        "# mlp on digits",
        f"**Accuracy on the test images: {100 * accuracy:.2f} %**",
        'from_pretrained("ada/digits")',
        "| training | 1,293 |",
        "| validation (the best epoch was chosen by them) | 144 |",
        "| test (nothing was chosen by them) | 360 |",
        "10 classes: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9.",
        "| learning rate | 0.01 at its highest, schedule one-cycle |",
        "| optimizer | adamw, beta₁ 0.9, weight decay 0.05 |",
        "| augmentation | crop:1 |",
        "| label smoothing | 0.1 |",
        "| seed | 3 |",
        f"torch {torch.__version__}",
        "| class | found (recall) | 95 % interval | right when named (precision) | images |",
        "Not fitted: the confidences are the network's own.",
        "Noise, blur, weather, shifts and turns were not measured.",
        "It knows its 10 classes alone.",
        "It sees 28×28 pixels and without color.",
        "The author has not stated one yet",
    ):
        assert expected in text, expected
    assert MISSING not in text
    assert "None" not in text


def test_calibration_robustness_and_license_come_in_where_they_are_known(tmp_path: Path) -> None:
    config = TrainConfig(epochs=1, calibration=0.2)
    run = train("softmax", "digits", config, output=tmp_path / "runs", listeners=())
    measured = calibrate_model(run.path)
    corrupted = CorruptedEvaluation(360, 0.9, {"fog": (0.8, 0.6), "snow": (0.5, 0.3)}, (0.9, 0.8, 0.7), 0)
    front, text = exported(run, tmp_path / "hub", robustness=corrupted, license="mit")
    assert front["license"] == "mit"
    assert "The author gives the model under: mit." in text
    assert f"divides the logits by a temperature of {measured.calibration.temperature:.3f}" in text
    assert f"| after | {measured.after.ece:.4f} |" in text
    assert "| calibration (the confidences were fitted to them) | 287 |" in text
    assert "abstain=0.95" in text
    assert "90.00 % as they are, 55.00 % corrupted" in text
    assert text.index("| snow | 50.00 % | 30.00 % | 40.00 % |") < text.index(
        "| fog | 80.00 % | 60.00 % | 70.00 % |"
    )
    assert str(tmp_path) not in text


def test_names_and_places_do_no_harm(tmp_path: Path) -> None:
    """Class names cannot break out of the card, and nobody learns where files lay."""
    classes = ("a|b", "---\nlicense: evil", "<script>", "*x*")
    metrics = {"test": {"accuracy": 0.5, "images": 10}, "note": "/home/ada/photos", "kept": "best / all"}
    network = create_model("softmax", num_classes=4, input_size=8, seed=0)
    folder = save_model(tmp_path / "m", TrainedModel(network, classes, Preprocess.plain(1, 8), metrics))
    front, text = exported(folder, tmp_path / "hub")
    assert "license" not in front
    assert "model-index" not in front  # its data set has no name
    assert "The recipe is not recorded." in text
    made = load_model(tmp_path / "hub")
    assert (made.classes, made.metrics["note"], made.metrics["kept"]) == (classes, "photos", "best / all")


def test_class_names_in_tables_are_text(tmp_path: Path) -> None:
    classes = ("a|b", "---\nlicense: evil", "<script>", "*x*")
    network = create_model("softmax", num_classes=4, input_size=8, seed=0)
    folder = save_model(tmp_path / "m", TrainedModel(network, classes, Preprocess.plain(1, 8)))
    from convnets.data.image_set import ImageSet

    pixels = torch.randint(0, 256, (40, 1, 8, 8), dtype=torch.uint8)
    images = ImageSet(pixels, torch.arange(40) % 4, classes, "noise")
    _, text = exported(folder, tmp_path / "hub", images=images)
    assert r"| a\|b |" in text
    assert "<script>" not in text
    assert "| --- license: evil |" in text


def test_what_stands_there_is_kept(run: Run, tmp_path: Path) -> None:
    export_hub(run, tmp_path / "hub")
    (tmp_path / "hub" / "README.md").write_text("mine")
    with pytest.raises(UsageError, match="may have been edited"):
        export_hub(run, tmp_path / "hub")
    assert (tmp_path / "hub" / "README.md").read_text() == "mine"
    export_hub(run, tmp_path / "hub", overwrite=True)
    assert (tmp_path / "hub" / "README.md").read_text() != "mine"
    for place in (run.path, run.model_folder):
        with pytest.raises(UsageError, match="name another folder"):
            export_hub(run, place)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file"):
        export_hub(run, tmp_path / "file")


def test_networks_that_nobody_else_could_build_are_refused(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
    folder = save_model(tmp_path / "m", TrainedModel(network, ("a", "b"), Preprocess.plain(1, 8)))
    with pytest.raises(ModelFolderError, match="outside the catalogue"):
        export_hub(folder, tmp_path / "hub")
    assert not (tmp_path / "hub").exists()


def test_the_command_measures_what_it_wrote(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("export", run.path, "--to", "hub", "-o", tmp_path / "hub", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["recorded"] == found["measured"]
    assert command("export", run.path, "--to", "hub", "-o", tmp_path / "hub") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert command("export", run.path, "--to", "hub", "-o", tmp_path / "hub", "--overwrite") == 0
    out = capsys.readouterr().out
    assert "README.md; weights" in out
    assert "license: yours to choose" in out

"""Every command does what it says: text for people, JSON for scripts."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from convnets.cli.output import aligned
from convnets.data.augmentation.augment import AUGMENTATIONS
from convnets.models.catalogue import list_models
from convnets.recipes.catalogue import get_recipe, list_recipes
from convnets.training.runs.run import Run

Command = Callable[..., Any]


def test_models(convnets: Command) -> None:
    lines = convnets("models").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list_models()
    assert convnets("models", "lenet*").out.count("\n") == 4
    (entry,) = convnets("models", "lenet", "--json").json
    assert (entry["name"], entry["year"], entry["input_size"], entry["min_size"]) == ("lenet", 1998, 28, 12)


def test_summary(convnets: Command, digits_run: Run, tmp_path: Path) -> None:
    out = convnets("summary", "lenet").out
    assert "61,706 parameters" in out
    assert "416,520 MACs, 833,040 FLOPs" in out
    options = ("--in-channels", 3, "--num-classes", 7, "--size", 40)
    found = convnets("summary", "lenet", *options, "--json").json
    assert found["input_shape"] == [3, 40, 40]
    assert found["layers"][-1]["output_shape"] == [1, 7]
    stem = convnets("summary", "resnet18", "--size", 64, "--json").json["layers"][0]
    assert (stem["name"], stem["output_shape"]) == ("stem", [1, 64, 16, 16])
    page = tmp_path / "pages" / "mine.html"
    assert convnets("summary", digits_run.path, "--html", page).out.endswith(f"page: {page}\n")
    assert "Content-Security-Policy" in page.read_text()


def test_summary_of_another_image(convnets: Command) -> None:
    rectangle = convnets("summary", "resnet18_d2l", "--input", "1x64x32", "--json").json
    assert rectangle["layers"][0]["output_shape"] == [1, 64, 16, 8]
    ended = convnets("summary", "lenet", "--input", 64)
    assert ended.status == 2
    assert "fails" in ended.out
    assert ended.err.startswith(
        "convnets: error: lenet, input 1×64×64: layer hidden.1 (Linear) got 1×3136; it needs N×400"
    )
    assert ended.err.endswith("or build the network with --size 64\n")
    table = convnets("summary", "lenet", "--sizes", "24,28:32:2").out.splitlines()
    assert [line.split()[0] for line in table[2:6]] == ["1×24×24", "1×28×28", "1×30×30", "1×32×32"]
    assert "layer hidden.1 (Linear) got 1×256; it needs N×400" in table[2]
    rows = convnets("summary", "lenet", "--sizes", "28,32", "--json").json["rows"]
    assert [(row["macs"], row["breaks_at"]) for row in rows] == [(416_520, None), (None, "hidden.1")]


def test_diff(convnets: Command, digits_run: Run) -> None:
    out = convnets("diff", "lenet", "lenet_bn").out
    assert out.startswith("lenet → lenet_bn\n")
    assert "+  convolutions.1  BatchNorm2d" in out
    assert "61,706    44,878  0.727" in out
    found = convnets("diff", digits_run.path, "softmax", "--json").json
    assert (found["before"]["network"], found["after"]["network"]) == ("mlp", "softmax")
    assert [change["change"] for change in found["changes"]] == ["removed", "removed", "changed"]


def test_scatter(convnets: Command, digits_run: Run, tmp_path: Path) -> None:
    options = ("--rounds", 2, "--seconds", 0.001, "--threads", 1, "--precision", "fp32")
    picture = tmp_path / "new" / "scatter.png"
    out = convnets("scatter", "lenet*", digits_run.path, "-o", picture, *options).out
    assert [line.split()[0] for line in out.splitlines()[1:5]] == [
        *("lenet", "lenet_bn", "lenet1d", str(digits_run.path))
    ]
    assert out.endswith(f"picture: {picture}\n")
    with Image.open(picture) as drawn:
        assert drawn.size == (1260, 840)
    found = convnets("scatter", "lenet", "--json", "-o", tmp_path / "one.svg", *options).json
    (point,) = found["networks"]
    assert (point["parameters"], point["macs"], point["flops"]) == (61_706, 416_520, 833_040)
    assert 0 < point["latency"]["low"] <= point["latency"]["seconds"] <= point["latency"]["high"]
    assert ">lenet<" in (tmp_path / "one.svg").read_text()


def test_data_list(convnets: Command) -> None:
    ended = convnets("data", "list")
    assert "$CONVNETS_DATA" in ended.out
    entries = convnets("data", "list", "--json").json
    assert [entry["name"] for entry in entries] == [line.split()[0] for line in ended.out.splitlines()[1:-1]]
    assert entries[0]["train_images"] == 1437


def test_data_show(
    convnets: Command, tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = convnets("data", "show", "digits", "--augment", "flip,crop:1", "--count", 4).out
    assert out.startswith("digits: gray, 8×8\n")
    assert out.endswith("picture: digits.png\n")
    with Image.open("digits.png") as picture:
        assert picture.width > 100
    found = convnets("data", "show", pictures, "-o", tmp_path / "new" / "x.png", "--json").json
    assert found["classes"] == {"train": {"dark": 20, "light": 20}, "test": {"dark": 4, "light": 4}}
    assert (found["size"], found["channels"]) == ("mixed sizes", 3)
    assert (tmp_path / "new" / "x.png").is_file()


def test_the_error_of_an_augmentation_lists_them_all(refused: Callable[..., str]) -> None:
    line = refused(2, "data", "show", "digits", "--augment", "zzzz")
    assert all(name in line for name in AUGMENTATIONS)


def test_data_download(convnets: Command) -> None:
    assert convnets("data", "download", "digits").out == "digits: 1,437 train, 360 test images, verified\n"


@pytest.mark.fashion_mnist
def test_data_download_verifies_what_is_there(
    convnets: Command, fashion_mnist_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVNETS_DATA", str(fashion_mnist_root))
    line = "fashion-mnist: 60,000 train, 10,000 test images, verified\n"
    assert convnets("data", "download", "fashion-mnist").out == line


def test_evaluate(convnets: Command, digits_run: Run, tmp_path: Path) -> None:
    ended = convnets("evaluate", digits_run.path, "--mistakes", 2, "--precision", "fp32")
    assert ended.out.startswith("digits, test\naccuracy ")
    assert ended.out.count(" taken for ") == 2
    assert "mistakes" not in convnets("evaluate", digits_run.path, "--mistakes", 0).out
    found = convnets("evaluate", digits_run.path, "--json", "--precision", "fp32").json
    assert found["accuracy"] == digits_run.results["test"]["accuracy"]
    assert (found["part"], found["images"], len(found["per_class"])) == ("test", 360, 10)


def test_evaluate_the_validation_images_gives_what_training_saw(convnets: Command, digits_run: Run) -> None:
    found = convnets(
        "evaluate", digits_run.path, "--part", "validation", "--json", "--precision", "fp32"
    ).json
    assert found["accuracy"] == digits_run.results["validation"]["accuracy"]


def test_evaluate_a_model_folder(
    convnets: Command, refused: Callable[..., str], digits_run: Run, pictures: Path, tmp_path: Path
) -> None:
    model = digits_run.model_folder
    assert "give some with --data" in refused(2, "evaluate", model)
    report = tmp_path / "new" / "page.html"
    ended = convnets("evaluate", model, "--data", "digits", "--report", report)
    assert ended.out.endswith(f"report: {report}\n")
    assert "<svg" in report.read_text()
    assert "has other classes than the model" in refused(1, "evaluate", model, "--data", pictures)


def test_predict(convnets: Command, pictures_run: Run, pictures: Path) -> None:
    dark, light = pictures / "test" / "dark" / "0.jpg", pictures / "test" / "light" / "1.png"
    lines = convnets("predict", pictures_run.path, dark, light).out.splitlines()
    assert [line.rpartition(" ")[0] for line in lines] == [f"{dark}: dark", f"{light}: light"]
    assert convnets("predict", pictures_run.model_folder, dark, light).out.splitlines() == lines
    found = convnets("predict", pictures_run.path, pictures / "test", "--json", "--views", 10).json
    assert [each["label"] for each in found] == ["dark"] * 4 + ["light"] * 4
    assert convnets("predict", pictures_run.path, dark, "--top", 2).out.count(",") == 1


def test_predict_says_which_pictures_it_could_not_read(
    convnets: Command, refused: Callable[..., str], pictures_run: Run, pictures: Path, tmp_path: Path
) -> None:
    text, dark = tmp_path / "text.jpg", pictures / "test" / "dark" / "0.jpg"
    text.write_text("<html>")
    assert str(text) in refused(1, "predict", pictures_run.path, dark, text)
    ended = convnets("predict", pictures_run.path, text, dark, "--skip-errors")
    assert ended.status == 1
    assert ended.out.startswith(f"not read: {text}: ")
    assert ended.out.splitlines()[1].startswith(f"{dark}: dark ")
    rows = list(
        csv.DictReader(
            io.StringIO(convnets("predict", pictures_run.path, text, dark, "--skip-errors", "--csv").out)
        )
    )
    assert [row["label"] for row in rows] == ["", "dark"]
    assert str(text) in rows[0]["error"]
    assert "No such file" in refused(1, "predict", pictures_run.path, tmp_path / "none.png")


def test_compare(convnets: Command, digits_run: Run, pictures_run: Run, tmp_path: Path) -> None:
    picture = tmp_path / "new" / "curves.svg"
    out = convnets("compare", digits_run.path, pictures_run.path, "--picture", picture).out
    rows = {line.partition("  ")[0]: line.split()[-2:] for line in out.splitlines()}
    assert rows["network"] == ["mlp", "softmax"]
    assert rows["--epochs"] == ["2", "4"]
    assert picture.read_text().count("<svg") == 1
    found = convnets("compare", digits_run.path, pictures_run.path, "--json").json
    assert found["differences"]["epochs"] == [2, 4]
    assert found["runs"][0]["test_accuracy"] == digits_run.results["test"]["accuracy"]


def test_recipes(convnets: Command) -> None:
    lines = convnets("recipes").out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == list_recipes()
    assert all(
        get_recipe(name).expected_source in line for name, line in zip(list_recipes(), lines, strict=True)
    )
    found = convnets("recipes", "--json").json
    assert found[0]["options"] == get_recipe(found[0]["name"]).config.to_dict()


def test_a_table_is_broken_in_its_last_column_where_it_is_too_wide() -> None:
    rows = [("a", "words that go on"), ("bcd", "short")]
    assert aligned(("x", "what"), rows, width=60) == "x    what\na    words that go on\nbcd  short"
    rows = [("a", "one two three four five six seven")]
    assert aligned(("x", "what"), rows, width=23) == "x  what\na  one two three four\n   five six seven"
    assert aligned(("n", "m"), [("1", "10"), ("10", "1")], right=(0, 1), width=1) == " n   m\n 1  10\n10   1"

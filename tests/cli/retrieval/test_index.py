"""`convnets index`: from a run to similar pictures, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from convnets.training.runs.run import Run

from ..conftest import Command


@pytest.fixture(scope="session")
def built(pictures_run: Run, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the training pictures; not to be changed."""
    from convnets.retrieval.building.listing import list_images
    from convnets.retrieval.image_index import ImageIndex

    path = tmp_path_factory.mktemp("index") / "pictures.index"
    ImageIndex.build(pictures_run, list_images(pictures, "train"), path)
    return path


def test_build_search_and_draw(convnets: Command, pictures_run: Run, pictures: Path, tmp_path: Path) -> None:
    index = tmp_path / "all.index"
    ended = convnets("index", "build", pictures_run.path, pictures, "-o", index, "--stage", "pixels")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == f"{index}: 48 images, vectors of 192\n"
    query = pictures / "test" / "light" / "1.png"
    page, sheet = tmp_path / "found.html", tmp_path / "found.png"
    ended = convnets("index", "search", index, query, "-k", "3", "--html", page, "--sheet", sheet)
    assert ended.status == 0
    lines = ended.out.splitlines()
    assert lines[0].split() == ["distance", "class", "image"]
    assert lines[1].split() == ["0.0000", "light", str(query)]
    assert len(lines) == 6
    assert page.read_text().count("<img") == 4
    with Image.open(sheet) as drawn:
        assert drawn.format == "PNG"
    found = convnets(
        "index", "search", index, query, query.parent, "-k", "2", "--where", "part=train", "--json"
    ).json
    assert [len(each["hits"]) for each in found] == [2] * 5
    assert {hit["part"] for each in found for hit in each["hits"]} == {"train"}
    assert {hit["label"] for each in found for hit in each["hits"]} == {"light"}


def test_a_build_that_leaves_pictures_out(
    convnets: Command, pictures_run: Run, pictures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mixed"
    shutil.copytree(pictures / "test", folder)
    for number in range(12):
        (folder / "dark" / f"broken{number}.jpg").write_bytes(b"no picture")
    ended = convnets("index", "build", pictures_run.path, folder, "-o", tmp_path / "index")
    assert ended.status == 0
    lines = ended.err.splitlines()
    assert len(lines) == 11
    assert lines[0].startswith(f"not read: {folder}/dark/broken0.jpg: not a picture")
    assert lines[-1] == "left out: 12 pictures that cannot be read, 2 more than shown"
    answer = convnets("index", "build", pictures_run.path, folder, "-o", tmp_path / "other", "--json").json
    assert (answer["images"], len(answer["left_out"])) == (8, 12)
    assert convnets("index", "build", pictures_run.path, folder, "-o", tmp_path / "x", "--strict").status == 1


def test_add_remove_stats_evaluate(convnets: Command, built: Path, pictures: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    shutil.copytree(built, index)
    picture = pictures / "test" / "dark" / "0.jpg"
    assert convnets("index", "add", index, picture).out == f"{index}: 1 images added, 41 in all\n"
    assert convnets("index", "remove", index, picture, picture).out == f"{index}: 1 images removed, 40 left\n"
    stats = convnets("index", "stats", index)
    assert "images: 40" in stats.out
    assert "dark" in stats.out
    assert convnets("index", "stats", index, "--json").json["classes"] == {"dark": 20, "light": 20}
    assert "MAP@R" in convnets("index", "evaluate", index).out
    scores = convnets("index", "evaluate", index, pictures, "--part", "test", "--json").json
    assert (scores["queries"], scores["gallery"]) == (8, 40)
    assert scores["recall"]["1"] == 1.0


def test_near_duplicates(convnets: Command, built: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "twins.png"
    found = convnets("index", "near-duplicates", built, "--distance", "2", "--sheet", sheet)
    assert found.out.startswith("780 pairs at most 2 apart; 40 images in 1 groups\n")
    assert sheet.exists()
    answer = convnets("index", "near-duplicates", built, "--distance", "2", "--json").json
    assert [len(group) for group in answer["groups"]] == [40]
    assert answer["groups"][0][0]["distance"] == 0.0


def test_near_duplicates_in_two_classes(convnets: Command, built: Path) -> None:
    arguments = ("index", "near-duplicates", built, "--distance", "2")
    (every,) = convnets(*arguments, "--json").json["groups"]
    classes = [hit["label"] for hit in every]
    one, other = (classes.count(name) for name in sorted(set(classes)))
    assert convnets(*arguments, "--across", "class", "--json").json["pairs"] == one * other
    assert ", across class; 40 images in 1 groups" in convnets(*arguments, "--across", "class").out


def test_wrong_usage_is_one_line(
    refused: Callable[..., str],
    built: Path,
    pictures: Path,
    pictures_run: Run,
    digits_run: Run,
    tmp_path: Path,
) -> None:
    query = pictures / "test" / "dark" / "0.jpg"
    cases = [
        (2, ["search", built, query, "-k", "0"], "k is 0"),
        (2, ["search", built, query, "-k", "x"], "allowed: a whole number"),
        (2, ["near-duplicates", built, "--across", "klass"], "nearest: class"),
        (2, ["search", built, query, "--where", "dark"], "allowed: COLUMN=VALUE"),
        (2, ["search", built, query, "--where", "class=drak"], "nearest: dark"),
        (2, ["search", built, query, "--where", "klass=dark"], "nearest: class"),
        (2, ["search", built, query, "--maps"], "--html FILE.html or --sheet FILE.png"),
        (2, ["search", built, query, "--html", tmp_path], "is a folder"),
        (1, ["search", built, tmp_path / "nowhere.png"], "is not there"),
        (1, ["search", tmp_path / "nowhere", query], "does not exist; give the folder that"),
        (1, ["search", built, query, "--run", digits_run.path], "built by another network"),
        (1, ["build", pictures_run.path, pictures, "-o", built], "holds a finished index of 40 images"),
        (
            2,
            ["build", pictures_run.path, pictures, "-o", tmp_path / "n", "--engine", "hnws"],
            "nearest: hnsw",
        ),
        (2, ["build", pictures_run.path, pictures, "-o", tmp_path / "n", "--stored", "int8"], "fp32, bf16"),
        (
            2,
            ["build", pictures_run.path, pictures, "-o", tmp_path / "n", "--stage", "embd"],
            "nearest: embed",
        ),
        (2, ["build", pictures_run.path, pictures, "-o", tmp_path / "n", "--pooling", "max"], "nearest"),
        (
            2,
            ["build", pictures_run.path, pictures, "-o", tmp_path / "n", "--part", "trian"],
            "nearest: train",
        ),
        (2, ["build", pictures_run.path, "pictuers", "-o", tmp_path / "n"], "unknown data set"),
        (1, ["build", tmp_path / "nowhere", pictures, "-o", tmp_path / "n"], "does not exist"),
        (2, ["remove", built, "nowhere.png"], "1 of 1 paths are not in the index"),
        (2, ["near-duplicates", built, "--distance", "3"], "allowed: 0 (equal) to 2"),
        (2, ["evaluate", built, "--part", "test"], "give the data set, too"),
    ]
    for status, arguments, message in cases:
        assert message in refused(status, "index", *arguments), arguments
    assert not (tmp_path / "n").exists()

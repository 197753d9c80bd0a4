"""`convnets features`, `filters`, `patches`, `ablate` and `embed-map`, from the command line to text and pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from convnets.training.config import TrainConfig
from convnets.training.runs.run import Run
from convnets.training.train import train

Command = Callable[..., Any]
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of lenet_bn on digits that kept its epochs; not to be changed."""
    config = TrainConfig(epochs=2, save_epochs=1, precision="fp32", fast=False)
    found: Run = train(
        "lenet_bn", "digits", config, output=tmp_path_factory.mktemp("runs"), name="bn", listeners=()
    )
    return found.path


@pytest.mark.parametrize(
    ("arguments", "line", "key"),
    [
        (("features",), "convolutions: 16×4×4, ", "layers"),
        (
            ("features", "--layer", "stages", "--scale", "global", "--index", 3),
            "convolutions.2: 6×24×24, ",
            "layers",
        ),
        (("features", "--layer", "convolutions.4", "--unit", "3,4,5"), "unit 3,4,5 ", "products"),
        (("features", "--layer", "classifier", "--unit", "3"), "unit 3 ", "products"),
        (("features", "--epochs"), "convolutions of lenet_bn by epoch, for one picture", "epochs"),
        (("filters",), "6 filters of convolutions.0", "weights"),
        (("filters", "--norms"), "4 batch norms", "norms"),
        (("filters", "--epochs"), "Filters of convolutions.0 in lenet_bn by epoch", "epochs"),
        (
            ("patches", "--layer", "convolutions.6", "--units", "2,5", "--images", 200, "--count", 3),
            "convolutions.6, 14×14 pixels each, of 200 images",
            "units",
        ),
        (("ablate", "--layer", "convolutions.6", "--images", 50), "off ", "effects"),
        (
            ("ablate", "--layer", "convolutions.6", "--channels", "1,2", "--how", "mean", "--images", 50),
            "off ",
            "effects",
        ),
        (("ablate", "--layer", "convolutions.4", "--prune", "--images", 50), " removed ", "points"),
        (("embed-map", "--images", 40), "embed of 40 images of digits, by principal components: ", "images"),
        (("embed-map", "--images", 40, "--show", "prototypes"), "prototypes of 10 classes", "0"),
        (("embed-map", "--images", 40, "--show", "probes"), "pixels: 0.", "probes"),
        (("embed-map", "--images", 40, "--show", "cka"), "4 × 4 layers, 40 images", "values"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_text_picture_and_json(
    convnets: Command, run: Path, tmp_path: Path, arguments: tuple[object, ...], line: str, key: str
) -> None:
    command, *options = arguments
    picture = tmp_path / "new" / "picture.png"
    ended = convnets(command, run, *options, "-o", picture)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith(line)
    assert ended.out.endswith(f"picture: {picture}\n")
    assert picture.read_bytes()[:4] == PNG
    told = convnets(command, run, *options, "--json")
    assert told.status == 0
    assert key in told.json


def test_the_picture_lies_here_where_nothing_else_is_said(
    convnets: Command, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert convnets("filters", run, "--json").status == 0
    assert list(tmp_path.iterdir()) == []
    assert convnets("filters", run).out.endswith("picture: bn-filters.png\n")
    assert (tmp_path / "bn-filters.png").is_file()


@pytest.mark.parametrize("ending", ["svg", "html", "gif", "apng"])
def test_other_files(convnets: Command, run: Path, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"film.{ending}"
    assert convnets("filters", run, "--epochs", "-o", path).status == 0
    if ending in ("gif", "apng"):
        with Image.open(path) as film:
            assert film.n_frames == 3
    else:
        assert path.read_text().startswith({"svg": "<svg", "html": "<!doctype html>"}[ending])


def test_a_picture_file(convnets: Command, run: Path, tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), (200, 10, 10)).save(tmp_path / "red.jpg")
    ended = convnets("features", run, tmp_path / "red.jpg", "-o", tmp_path / "maps.png")
    assert (ended.status, ended.err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("features", "RUN", "-o", "maps.gif"), "maps.gif ends in '.gif'; allowed: .png, .svg, .html"),
        (("features", "RUN", "--scale", "row"), "unknown scale 'row'"),
        (("features", "RUN", "--unit", "1,2,3"), "--unit belongs to --layer"),
        (("features", "RUN", "--unit", "1,2", "--layer", "classifier"), "--unit is '1,2'; allowed"),
        (("features", "RUN", "--unit", "1", "--epochs"), "exclude each other"),
        (("features", "RUN", "--index", "360"), "--index is 360; the test part has images 0 to 359"),
        (("features", "RUN", "--lens", "cat"), "unknown lens 'cat'"),
        (("features", "RUN", "--lens", "residual"), "adds no two maps"),
        (("features", "RUN", "--layer", "stage9"), "unknown layer 'stage9'"),
        (("filters", "RUN", "--mixing"), "has no 1×1 convolution"),
        (("filters", "RUN", "--layer", "convolutions.4"), "filters of convolutions.4 look at 6 channels"),
        (("filters", "RUN", "--mixing", "--norms"), "exclude each other"),
        (("patches", "RUN", "--units", "1,x"), "'x'; allowed: a whole number"),
        (("patches", "RUN", "--images", "0"), "0 images; allowed: 1 or more"),
        (("ablate", "RUN"), "give --layer NAME or --branches"),
        (("ablate", "RUN", "--branches"), "has no branches"),
        (("ablate", "RUN", "--layer", "x", "--prune", "--how", "mean"), "leave --branches and --how out"),
        (("ablate", "RUN", "--layer", "convolutions.6", "--how", "noise"), "unknown replacement 'noise'"),
        (("ablate", "RUN", "--layer", "convolutions.6", "--part", "dev"), "part 'dev' of digits"),
        (("embed-map", "RUN", "--method", "umap"), "unknown method 'umap'"),
        (("embed-map", "RUN", "--show", "atlas"), "unknown view 'atlas'"),
        (("embed-map", "RUN", "--show", "probes", "--part", "train"), "choose another --part"),
        (("embed-map", "RUN", "--other", "x"), "--other belongs to --show cka"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    refused: Callable[..., str], run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...], message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert message in refused(2, *(run if each == "RUN" else each for each in arguments))
    assert list(tmp_path.iterdir()) == []

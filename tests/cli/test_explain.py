"""`convnets explain`: words, picture, pages, JSON, and colors where a terminal has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convnets import load_data
from convnets.cli.heat import heat_map
from convnets.training.config import TrainConfig
from convnets.training.train import train

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with feature maps; not to be changed."""
    config = TrainConfig(epochs=1, precision="fp32", health=False, save_every="0")
    return train(
        "lenet_bn", "digits", config, output=tmp_path_factory.mktemp("r"), name="bn", listeners=()
    ).path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    test = load_data("digits").test
    assert test is not None
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / "one.png", folder / "two.png"]
    for place, path in enumerate(paths):
        Image.fromarray(test.pixels[place, 0].numpy()).save(path)
    return paths


def test_words_and_picture(convnets: Command, run: Path, pictures: list[Path], tmp_path: Path) -> None:
    ended = convnets(
        "explain", run, *pictures, "--target", "3", "--contrast", "8", "-o", tmp_path / "new" / "why.png"
    )
    assert (ended.status, ended.err) == (0, "")
    first, second, last = ended.out.splitlines()
    assert first.startswith(f"{pictures[0]}: grad-cam at ")
    assert "why 3 and not 8" in second
    assert last == f"picture: {tmp_path / 'new' / 'why.png'}"
    assert (tmp_path / "new" / "why.png").read_bytes()[:4] == b"\x89PNG"
    assert "\x1b" not in ended.out  # a pipe has no colors


def test_a_page_of_each_picture_with_verdicts(
    convnets: Command, run: Path, pictures: list[Path], tmp_path: Path
) -> None:
    ended = convnets("explain", run, *pictures, "--check", "--layer", "stages", "-o", tmp_path / "why.html")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.count("when the network's weights are randomized (rank correlation") == ended.out.count(
        "grad-cam at"
    )
    for number in (1, 2):
        page = (tmp_path / f"why-{number}.html").read_text()
        assert page.startswith("<!doctype html>")
        assert "weights are randomized" in page


def test_json(
    convnets: Command, run: Path, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = convnets("explain", run, pictures[0], "--method", "occlusion", "--json").json
    assert np.array(found[0]["map"]).shape == (28, 28)
    assert found[0]["method"] == "occlusion"
    assert list(tmp_path.iterdir()) == []
    assert convnets("explain", run, pictures[0]).out.endswith("picture: bn-explain.png\n")


def test_a_terminal_with_colors_shows_the_map(
    convnets: Command, run: Path, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")
    ended = convnets("explain", run, pictures[0], "-o", tmp_path / "why.png")
    assert ended.out.count("▀") == 28 * 14
    assert "\x1b[38;2;" in ended.out


def test_a_heat_map_is_coarse_and_has_the_pictures_colors() -> None:
    pixels = np.zeros((64, 128, 3), dtype=np.uint8)
    pixels[:32, :64] = (255, 0, 10)
    text = heat_map(pixels, columns=16)
    lines = text.plain.splitlines()
    assert [len(line) for line in lines] == [16] * 4
    colors = [str(span.style.color.name) for span in text.spans]
    assert colors[0] == "#ff000a"
    assert colors[-1] == "#000000"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--method", "gradcam"), "unknown method 'gradcam'"),
        (("--target", "ten"), "unknown class 'ten'"),
        (("--target", "3", "--contrast", "3"), "contrast is 3, which is the target as well"),
        (("--layer", "stage9"), "unknown layer 'stage9'"),
        (("-o", "why.gif"), "why.gif ends in '.gif'"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    refused: Callable[..., str], run: Path, pictures: list[Path], options: tuple[str, ...], message: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert message in refused(2, "explain", run, pictures[0], *options)
    assert list(tmp_path.iterdir()) == []


def test_a_method_that_cannot_explain_the_network_names_the_operation(
    refused: Callable[..., str], run: Path, pictures: list[Path]
) -> None:
    told = refused(2, "explain", run, pictures[0], "--method", "guided-backpropagation")
    assert "LeNetBatchNorm uses Sigmoid" in told

"""What a reader leaves at the end of a cell shows itself: well-formed, escaped, small, and one line in plain text."""

from __future__ import annotations

import re
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import convnets
from convnets import ImageSet, Splits, TrainConfig
from convnets.evaluation.ranking import score_retrieval
from convnets.inspection.cost.size_table import size_table
from convnets.serving.predictions import Prediction, Predictions
from convnets.training.runs.comparison import compare_runs

HOSTILE = "<script>alert(1)</script>&\"'$x$"
UNPRINTABLE = HOSTILE + "\x00\udc80"  # as names of files may be
VOID = {"img", "br", "hr"}


class Page(HTMLParser):
    """Reads a card as a browser would, and refuses what must not be in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        html.encode("utf-8")
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "iframe", "object", "link", "form"}
        for name, value in attrs:
            assert not name.startswith("on")
            if name in {"src", "href"}:
                assert str(value).startswith("data:image/png;base64,")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style" and data.strip():
            self.words.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(self.words)


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One of each, of a run on two classes with names that a browser must not take for anything but names."""
    torch.manual_seed(0)
    pixels = torch.randint(256, (80, 1, 28, 28), dtype=torch.uint8)
    pixels[:40] //= 3
    labels = torch.tensor([0, 1]).repeat_interleave(40)
    order = torch.randperm(80)
    images = ImageSet(pixels[order], labels[order], (HOSTILE, "bright"), HOSTILE)
    data = Splits(images.subset(list(range(60))), test=images.subset(list(range(60, 80))))
    folder = tmp_path_factory.mktemp("runs")
    config = TrainConfig(epochs=2, batch_size=20, augment=("crop:1",))
    run = convnets.train("lenet_bn", data, config, output=folder, name="first", listeners=())
    model = run.load()
    network = model.network
    summary = convnets.inspect(network)
    index = convnets.ImageIndex.build(model, data.train)
    vectors = nn.functional.normalize(torch.rand(20, 4), dim=1)
    pictures = folder / "pictures" / "a"
    pictures.mkdir(parents=True)
    (pictures / "broken.png").write_bytes(b"nothing")
    return {
        "images": images,
        "splits": data,
        "run": run,
        "config": run.config,
        "default config": TrainConfig(),
        "recipe": convnets.get_recipe("notes/lenet"),
        "comparison": compare_runs([run, run]),
        "model": model,
        "evaluation": convnets.evaluate(network, data.test, model.preprocess),
        "retrieval": score_retrieval(vectors, images.labels[:20], images.classes),
        "predictions": convnets.Predictor(model).predict(data.test.pixels[:3]),
        "prediction": Prediction(UNPRINTABLE, HOSTILE, 0.9, ((HOSTILE, 0.9), ("bright", 0.1))),
        "unreadable": Predictions([Prediction(UNPRINTABLE, None, None, error=UNPRINTABLE)]),
        "hits": index.search(data.test.pixels[0], k=3),
        "summary": summary,
        "sizes": size_table(network, [28, 64]),
        "difference": convnets.diff(summary, convnets.inspect(convnets.create_model("lenet"))),
        "health": convnets.measure_health(network, torch.rand(8, 1, 28, 28)),
        "parameters": convnets.list_parameters(network),
        "check": convnets.check_data(folder / "pictures"),
    }


NAMES = [
    "images",
    "splits",
    "run",
    "config",
    "default config",
    "recipe",
    "comparison",
    "model",
    "evaluation",
    "retrieval",
    "predictions",
    "prediction",
    "unreadable",
    "hits",
    "summary",
    "sizes",
    "difference",
    "health",
    "parameters",
    "check",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_card_is_well_formed_escaped_and_small(objects: dict[str, Any], name: str) -> None:
    html = objects[name]._repr_html_()
    assert len(html) < 100_000
    page = Page(html)
    assert page.text
    assert "<script>alert" not in html
    assert html.count('class="convnets"') == 1


@pytest.mark.parametrize("name", [name for name in NAMES if name != "evaluation"])
def test_the_plain_form_is_one_line(objects: dict[str, Any], name: str) -> None:
    assert "\n" not in repr(objects[name])


@pytest.mark.parametrize("name", ["run", "model", "summary", "difference", "health", "parameters", "check"])
def test_the_plain_form_is_short(objects: dict[str, Any], name: str) -> None:
    assert len(repr(objects[name])) < 300


def test_every_name_is_tried(objects: dict[str, Any]) -> None:
    assert sorted(NAMES) == sorted(objects)


def test_cards_tell_what_was_found(objects: dict[str, Any]) -> None:
    run = objects["run"]
    page = Page(run._repr_html_())
    rows = run.metrics
    for row in rows:
        assert f"{row['train_loss']:.4f}" in page.words
    assert page.text.count("★") == 1
    assert f"accuracy {run.results['test']['accuracy']:.4f}" in page.text
    model = Page(objects["model"]._repr_html_()).text
    assert "lenet_bn, 44," in model
    assert f"accuracy {run.results['test']['accuracy']:.4f}" in model
    config = Page(objects["config"]._repr_html_())
    chosen = config.words[: config.words.index(f"all {len(fields(TrainConfig))} options")]
    assert chosen == [
        "TrainConfig",
        "option",
        "value",
        "by default",
        "epochs",
        "2",
        "10",
        "batch_size",
        "20",
        "128",
        "augment",
        "crop:1",
        "–",
    ]
    assert "every option is as it is by default" in Page(objects["default config"]._repr_html_()).words
    hits = objects["hits"]
    assert hits._repr_html_().count("<img") == 4
    assert f"{hits[0].distance:.3f}" in Page(hits._repr_html_()).words
    assert "problem:" in Page(objects["check"]._repr_html_()).text
    assert "Stops" not in Page(objects["summary"]._repr_html_()).text


def test_a_long_run_shows_some_of_its_epochs(objects: dict[str, Any], tmp_path: Path) -> None:
    import shutil

    path = tmp_path / "long"
    shutil.copytree(objects["run"].path, path)
    run = convnets.Run(path)
    row = {**run.metrics[0], "best": 0.0}
    rows = [{**row, "epoch": float(number), "best": float(number == 52)} for number in range(1, 101)]
    run.write_metrics(rows)
    html = run._repr_html_()
    page = Page(html)
    shown = [int(found) for found in re.findall(r"<tr><td>(\d+)</td>", html)]
    assert {1, 52, 100} <= set(shown)
    assert len(shown) <= 20
    assert f"{len(shown)} of 100 epochs" in page.text


def test_options_are_told_as_they_are() -> None:
    page = Page(TrainConfig(epochs=1, nesterov=False, patience=1)._repr_html_())
    chosen = page.words[4 : page.words.index(f"all {len(fields(TrainConfig))} options")]
    assert chosen == ["epochs", "1", "10", "nesterov", "no", "yes", "patience", "1", "–"]

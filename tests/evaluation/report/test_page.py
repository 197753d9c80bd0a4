"""The report: complete, self-contained, safe with whatever users name their things."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from PIL import Image

from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import InputError
from convnets.evaluation.evaluation import Evaluation
from convnets.evaluation.mistakes import mistake_pictures
from convnets.evaluation.report.page import Report, write_report

EVIL = "<script>alert(1)</script>\"'&\udc80\x00"
_VOID = {"meta", "img", "br", "link", "input", "hr"}


class _Page(HTMLParser):
    """Tags, attributes and text of a page; fails on tags that do not close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data + " "

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def _images(channels: int = 1) -> ImageSet:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(256, (60, channels, 12, 12), generator=generator, dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(60) % 3, ("cat", EVIL, "狗"), "noise")


def _evaluation(images: ImageSet) -> Evaluation:
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(len(images), 3, generator=generator) + torch.eye(3)[images.labels]
    return Evaluation(logits.softmax(1), images.labels, images.classes, 0.7, 0.1, "single center crop, fp32")


def _report(channels: int = 1) -> Report:
    images = _images(channels)
    evaluation = _evaluation(images)
    return Report(
        title=f"lenet on {EVIL}",
        summary={"network": "lenet", EVIL: EVIL},
        rows=[{"epoch": 1, "train_loss": 1.0, "train_accuracy": 0.5, "learning_rate": 0.1, "best": 1.0}],
        evaluation=evaluation,
        pictures=mistake_pictures(evaluation, images, Preprocess.plain(channels, 12), count=8),
        config={
            "data": {"source": EVIL, "augment": ["flip", "crop:4"]},
            "ema": None,
            "nesterov": True,
            "empty": {},
        },
        environment={EVIL: {"torch": "2.13"}},
        warnings=[EVIL],
        commands={"Repeat this run": f"convnets train lenet --data {EVIL}"},
    )


def test_page_is_well_formed_and_holds_every_part() -> None:
    page = _Page(_report().html())
    for part in ("Summary", "Warnings", "Training", "Classes", "Confusion matrix", "Reliability", "Commands"):
        assert part in page.text
    for part in (
        "Most confident mistakes",
        "Configuration",
        "Environment",
        "data.augment",
        "flip, crop:4",
        "狗",
    ):
        assert part in page.text
    evaluation = _evaluation(_images())
    for figure in evaluation.headline().values():
        assert figure in page.text
    for each in evaluation.per_class:
        assert f"{each.precision:.3f}" in page.text
    assert page.count("svg") == 5  # loss, accuracy, learning rate, matrix, reliability
    assert page.count("img") == 8


def test_nothing_is_fetched_and_nothing_runs() -> None:
    html = _report().html()
    page = _Page(html)
    assert "script" not in {tag for tag, _ in page.tags}
    assert "link" not in {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "xlink:href", "action", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/png;base64,", "#")), (tag, value)
    assert "url(" not in re.sub(r"url\(#\w+\)", "", html)
    assert "@import" not in html


def test_what_users_name_is_text_and_can_be_written(tmp_path: Path) -> None:
    path = write_report(tmp_path / "report.html", _report())
    html = path.read_bytes().decode("utf-8")
    assert "<script" not in html
    assert "\x00" not in html
    assert "<script>alert(1)</script>\"'&��" in _Page(html).text
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_those_of_the_mistakes_pixel_by_pixel(channels: int) -> None:
    images = _images(channels)
    page = _Page(_report(channels).html())
    shown = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    for mistake, source in zip(_evaluation(images).mistakes(8), shown, strict=True):
        assert source is not None
        picture = Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))
        expected = images.pixels[mistake.index].permute(1, 2, 0)
        found = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
        assert torch.equal(found.view(12, 12, channels), expected)


def test_large_pictures_are_reduced() -> None:
    images = _images()
    evaluation = _evaluation(images)
    html = Report("t", evaluation=evaluation, pictures=[torch.zeros(3, 600, 900, dtype=torch.uint8)]).html()
    source = re.search(r'src="data:image/png;base64,([^"]*)"', html)
    assert source is not None
    assert Image.open(io.BytesIO(base64.b64decode(source[1]))).size == (160, 107)


def test_only_a_title_is_needed() -> None:
    page = _Page(Report("alone").html())
    assert "alone" in page.text
    assert page.count("section") == 0
    page = _Page(Report("before the first epoch", evaluation=None, rows=[], config={"a": 1}).html())
    assert page.count("section") == 1


def test_a_network_that_is_always_right_or_has_a_thousand_classes_is_reported() -> None:
    names = tuple(f"class {i}" for i in range(1000))
    right = Evaluation(torch.eye(1000), torch.arange(1000), names, 0.0, 0.1, "by hand")
    html = Report(
        "right", evaluation=right, pictures=mistake_pictures(right, _thousand(), Preprocess.plain(1, 4))
    ).html()
    page = _Page(html)
    assert "Most often" not in page.text
    assert "The 30 classes of lowest F1 are shown, of 1000." in page.text
    assert len(html) < 200_000


def _thousand() -> ImageSet:
    names = tuple(f"class {i}" for i in range(1000))
    return ImageSet(torch.zeros(1000, 1, 4, 4, dtype=torch.uint8), torch.arange(1000), names, "zeros")


def test_most_frequent_confusions_are_named_in_order() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    probabilities = torch.eye(3)[torch.tensor([1, 1, 0, 2, 1, 2])]
    evaluation = Evaluation(probabilities, labels, ("a", "b", "c"), 0.0, 0.1, "by hand")
    assert "Most often: a → b (2), b → c (1)." in Report("t", evaluation=evaluation).html()


def test_pictures_of_other_images_are_refused() -> None:
    images = _images()
    with pytest.raises(InputError, match="noise has 10 images, 60 were evaluated"):
        mistake_pictures(_evaluation(images), images.subset(range(10)), Preprocess.plain(1, 12))

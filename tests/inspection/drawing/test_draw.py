"""Pictures of networks: whole, well-formed, and telling the truth in words too."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import torch
from torch import nn

import convnets
from convnets.errors import LayerError, UsageError
from convnets.inspection.drawing.volumes import volumes_of
from convnets.inspection.graph.trace import trace_graph
from convnets.models.catalogue import create_model

SVG = "{http://www.w3.org/2000/svg}"
NAMES = (
    *("softmax", "lenet", "alexnet", "vgg16_bn", "nin", "googlenet", "googlenet_bn", "speednet"),
    *("resnet18_d2l", "resnet50", "resnet110", "densenet_d2l", "densenet121", "densenet_bc100"),
)


def picture(name: str, **options: object) -> ET.Element:
    with torch.device("meta"):
        network = create_model(name)
    return ET.fromstring(convnets.draw(network, **options).svg)  # type: ignore[arg-type]


def texts(svg: ET.Element) -> list[str]:
    return ["".join(each.itertext()) for each in svg.iter(f"{SVG}text")]


@pytest.mark.parametrize("style", ["graph", "volumes"])
@pytest.mark.parametrize("name", NAMES)
def test_every_network_is_drawn_within_its_paper(name: str, style: str) -> None:
    svg = picture(name, style=style)
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    assert svg.attrib["role"] == "img"
    assert name in svg.attrib["aria-label"]
    assert svg.findtext(f"{SVG}desc", "").endswith(".")
    for each in svg.iter(f"{SVG}rect"):
        assert float(each.attrib["x"]) + float(each.attrib["width"]) <= width + 1
        assert float(each.attrib["y"]) + float(each.attrib["height"]) <= height + 1
    for each in svg.iter(f"{SVG}text"):
        assert 0 <= float(each.attrib["x"]) <= width
        assert 0 <= float(each.attrib["y"]) <= height
    assert width < 2500
    assert height < 6000


def test_shapes_stand_on_the_links_and_repetitions_on_the_folds() -> None:
    found = texts(picture("densenet121"))
    for shape in ("3×224×224", "64×112×112", "256×56×56", "512×28×28", "1024×14×14", "1024×7×7", "1000"):
        assert shape in found
    assert [text for text in found if text.startswith("×")] == ["×6", "×12", "×24", "×16"]
    assert "×2" not in texts(picture("googlenet", unfold=True))


def test_the_legend_names_each_color_that_is_there() -> None:
    svg = picture("lenet")
    used = {each.attrib["fill"] for each in svg.iter(f"{SVG}rect")}
    assert {"convolution", "linear", "pooling", "activation", "reshaping"} <= set(texts(svg))
    assert "joining" not in texts(svg)
    assert len(used) >= 6


def test_names_are_escaped() -> None:
    class Odd(nn.Sequential):
        pass

    Odd.__name__ = 'A<b>&"c'
    network = nn.Sequential()
    network.add_module("x<y&\x00", Odd(nn.Conv2d(1, 1, 3), nn.MaxPool2d(2)))
    network.add_module("z", nn.Flatten())
    assert "x<y&\ufffd" in " ".join(texts(ET.fromstring(convnets.draw(network, (1, 8, 8)).svg)))


def test_volumes_are_the_shapes_of_the_notes() -> None:
    shapes = [volume.shape for volume in volumes_of(trace_graph(create_model("lenet")))]
    assert shapes == [
        (1, 28, 28),
        (6, 28, 28),
        (6, 14, 14),
        (16, 10, 10),
        (16, 5, 5),
        (400,),
        (120,),
        (84,),
        (10,),
    ]
    with torch.device("meta"):
        found = volumes_of(trace_graph(create_model("resnet18_d2l"), 224))
    assert [volume.shape for volume in found[2:7]] == [
        (64, 56, 56),
        (64, 56, 56),
        (128, 28, 28),
        (256, 14, 14),
        (512, 7, 7),
    ]
    assert [volume.step for volume in found[3:7]] == ["Residual"] * 4
    assert [volume.times for volume in found[3:7]] == [2] * 4


def test_volumes_are_in_proportion() -> None:
    svg = picture("lenet", style="volumes")
    fronts: dict[str, tuple[float, float]] = {}
    for group in svg.iter(f"{SVG}g"):
        front = group.findall(f"{SVG}path")[-1].attrib["d"]
        width, height = (float(each) for each in re.findall(r"[hv](-?[\d.]+)", front)[:2])
        fronts[group.findtext(f"{SVG}title", "").partition(" → ")[2]] = (width, height)
    unit_c, unit_h = fronts["16×10×10"][0] / 16, fronts["6×28×28"][1] / 28
    for shape in ("6×28×28", "6×14×14", "16×5×5"):
        channels, height, _ = map(int, shape.split("×"))
        assert fronts[shape] == pytest.approx((channels * unit_c, height * unit_h), abs=0.1)
    assert fronts["400"][1] / fronts["120"][1] == pytest.approx(400 / 120, rel=0.01)


def test_of_many_volumes_the_larger_parts_stay() -> None:
    with torch.device("meta"):
        found = volumes_of(trace_graph(create_model("densenet121")))
    assert len(found) <= 24
    assert [v.shape for v in found if v.step.startswith("trunk.block")] == [
        (256, 56, 56),
        (512, 28, 28),
        (1024, 14, 14),
        (1024, 7, 7),
    ]


def test_series_are_drawn_too() -> None:
    network = nn.Sequential(nn.Conv1d(2, 8, 5), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(112, 3))
    for style in ("graph", "volumes"):
        assert "8×28" in texts(ET.fromstring(convnets.draw(network, (2, 32), style=style).svg))


def test_saving(tmp_path: Path) -> None:
    drawing = convnets.draw(create_model("lenet"))
    path = drawing.save(tmp_path / "new" / "lenet.svg")
    assert path.read_text("utf-8") == drawing.svg == drawing._repr_svg_()
    with pytest.raises(UsageError, match=r"no \.svg file"):
        drawing.save(tmp_path / "lenet.png")


def test_what_is_wrong_is_said() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(10, 2))
    with pytest.raises(UsageError, match="allowed: graph, volumes"):
        convnets.draw(network, (1, 2, 5), style="net")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="allowed: 1 or more"):
        convnets.draw(network, (1, 2, 5), depth=0)
    with pytest.raises(LayerError, match="needs N×10"):
        convnets.draw(network, (1, 3, 5))

"""The strip chart: what is drawn is what was measured, and files are what their endings say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from convnets.errors import UsageError
from convnets.inspection.health.chart import health_figure, health_svg, write_health_chart
from convnets.inspection.health.measure import measure_health
from convnets.inspection.health.record import NetworkHealth
from convnets.models.catalogue import create_model


def measured(name: str = "lenet_bn") -> NetworkHealth:
    network = create_model(name, seed=0)
    x = torch.randn(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    return measure_health(network, x, torch.arange(8), optimizer=optimizer)


def test_the_strips_show_what_was_measured() -> None:
    health = measured()
    figure = health_figure({"lenet_bn": health})
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert [title.split(",")[0] for title in titles] == [
        "Spread of what the next layer gets",
        "Spread over images",
        "Dead units",
        "Gradient of the weights",
        "Update of the weights by one step",
        "Batch norm: γ (scale)",
    ]
    gradients = figure.axes[3].lines[0]
    weighted = [layer for layer in health.layers if layer.has_weights]
    assert list(gradients.get_xdata()) == [1, 2, 3, 4, 5]
    assert list(gradients.get_ydata()) == [layer.gradient for layer in weighted]
    # what the next layer gets is what the activation gives, not what the convolution or batch norm gave
    activation = next(layer for layer in health.layers if layer.name == "convolutions.2")
    assert figure.axes[0].lines[0].get_ydata()[0] == activation.spread
    names = [label.get_text() for label in figure.axes[4].get_xticklabels()]
    assert names == [layer.name for layer in weighted]


def test_strips_without_values_are_left_out() -> None:
    network = create_model("softmax")
    figure = health_figure({"softmax": measure_health(network, torch.rand(4, 1, 28, 28))})
    assert len(figure.axes) == 2
    empty = NetworkHealth("none", 1, "training", None, None, (), (), ())
    with pytest.raises(UsageError, match="no layer was measured"):
        health_figure({"none": empty})


def test_several_networks_have_a_legend_and_epochs_a_shade() -> None:
    one, two = measured("lenet"), measured("lenet_bn")
    figure = health_figure({"with $sigmoid$ ": one, "狗": two})
    assert figure.axes[0].get_legend() is not None
    epochs = health_figure({f"epoch {i}": one for i in range(4)}, in_order=True)
    assert epochs.axes[0].get_legend() is None
    assert "light: epoch 0, dark: epoch 3" in epochs.axes[0].get_title(loc="right")
    colors = [line.get_color() for line in epochs.axes[0].lines]
    assert len(set(colors)) == 4


def test_a_gradient_of_zero_has_a_place() -> None:
    health = measured("lenet")
    layers = tuple(replace(layer, gradient=0.0) if layer.has_weights else layer for layer in health.layers)
    assert health_svg({"dead": replace(health, layers=layers)}).startswith("<svg")


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf", ".PNG"])
def test_files(tmp_path: Path, ending: str) -> None:
    path = write_health_chart(tmp_path / f"health{ending}", {"lenet": measured("lenet")})
    content = path.read_bytes()
    if ending.lower() == ".png":
        with Image.open(path) as picture:
            assert picture.size[0] > 1000
    assert content.startswith({".png": b"\x89PNG", ".svg": b"<svg", ".pdf": b"%PDF"}[ending.lower()])


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"health\.gif ends in '\.gif'; allowed: \.png, \.svg, \.pdf"):
        write_health_chart(tmp_path / "health.gif", {"lenet": measured("lenet")})

"""The text tables, letter by letter: `pytest --regenerate-golden` writes them anew, and git shows what changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from convnets.errors import LayerError
from convnets.inspection.cost.difference import diff
from convnets.inspection.cost.size_table import size_table
from convnets.inspection.cost.summary import NetworkSummary, inspect
from convnets.inspection.formatting import CONVENTION, FIELD_CONVENTION, MEMORY_CONVENTION
from convnets.models.catalogue import create_model

Golden = Callable[[str, str], None]


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return create_model(name)


@pytest.mark.parametrize(
    ("name", "depth", "items"),
    [
        ("lenet", None, False),
        ("lenet", 1, False),
        ("alexnet_d2l", 1, False),
        ("vgg11", 1, False),
        ("nin", 1, False),
        ("googlenet", 1, False),
        ("resnet18_d2l", 1, False),
        ("densenet_d2l", 2, True),
        ("resnet50", 2, False),
    ],
)
def test_summary(golden: Golden, name: str, depth: int | None, items: bool) -> None:
    text = inspect(on_meta(name)).text(depth, items=items)
    assert text.endswith(
        "\n".join([*CONVENTION, *MEMORY_CONVENTION, *FIELD_CONVENTION])
    )  # beneath every table
    golden(f"inspection/summary_{name}_{depth or 'all'}{'_items' if items else ''}.txt", text)


def test_summary_up_to_a_failure(golden: Golden) -> None:
    with pytest.raises(LayerError) as refused:
        inspect(on_meta("lenet"), (1, 64, 64))
    partial = refused.value.partial
    assert isinstance(partial, NetworkSummary)
    golden("inspection/failure_lenet_64.txt", f"{partial}\n\n{refused.value}")


def test_sizes(golden: Golden) -> None:
    text = str(size_table(on_meta("vgg11"), [16, 28, 32, 64, 224]))
    assert text.endswith("\n".join(CONVENTION))
    golden("inspection/sizes_vgg11.txt", text)


@pytest.mark.parametrize(("one", "other"), [("lenet", "lenet_bn"), ("resnet18", "resnet34")])
def test_difference(golden: Golden, one: str, other: str) -> None:
    golden(f"inspection/diff_{one}_{other}.txt", str(diff(inspect(on_meta(one)), inspect(on_meta(other)))))

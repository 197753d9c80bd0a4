"""Two networks side by side: every layer is in one pair, and the best alignment is found."""

from __future__ import annotations

import itertools
import json
import random

import pytest
import torch
from torch import nn

from convnets.inspection.cost.alignment import _key, _likeness, align
from convnets.inspection.cost.difference import diff
from convnets.inspection.cost.layer_cost import LayerCost
from convnets.inspection.cost.summary import NetworkSummary, inspect
from convnets.models.catalogue import create_model


def on_meta(name: str) -> NetworkSummary:
    with torch.device("meta"):
        return inspect(create_model(name), training=False, fields=False)


def test_a_network_is_the_same_as_itself() -> None:
    found = diff(on_meta("googlenet"), on_meta("googlenet"))
    assert found.changes == ()
    assert found.unchanged == sum(not layer.is_block for layer in found.before.layers)
    assert f"{found.unchanged} layers are the same" in str(found)


def test_batch_norm_is_what_was_added() -> None:
    found = diff(on_meta("vgg11"), on_meta("vgg11_bn"))
    assert {change.change for change in found.changes} == {"added"}
    assert [change.after.kind for change in found.changes if change.after] == ["BatchNorm2d"] * 8
    back = diff(on_meta("vgg11_bn"), on_meta("vgg11"))
    assert [(change.change, change.before and change.before.kind) for change in back.changes] == [
        ("removed", "BatchNorm2d")
    ] * 8


def test_whole_blocks_stand_for_their_layers_in_the_text() -> None:
    found = diff(on_meta("resnet18"), on_meta("resnet34"))
    assert len(found.changes) == 40
    rows = [line.split()[:3] for line in str(found).splitlines() if line.startswith("+")]
    names = ["stage1.2", "stage2.2", "stage2.3", *(f"stage3.{i}" for i in range(2, 6)), "stage4.2"]
    assert rows == [["+", name, "BasicBlock"] for name in names]
    back = str(diff(on_meta("resnet34"), on_meta("resnet18")))
    assert [line.split()[1] for line in back.splitlines() if line.startswith("−")] == names


def test_what_changed_is_said() -> None:
    one = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 10))
    other = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 10, bias=False))
    found = diff(inspect(one, (3, 6, 6)), inspect(other, (3, 6, 6)))
    assert [change.what for change in found.changes] == [
        ("padding: (1, 1) → –", "output: 8×6×6 → 8×4×4"),
        ("output: 8×6×6 → 8×4×4",),
        ("output: 288 → 128",),
        ("in_features: 288 → 128", "bias: True → False"),
    ]
    assert [change.only_sees_another_shape for change in found.changes] == [False, True, True, False]
    assert "2 more see another shape alone" in str(found)
    content = json.loads(json.dumps(found.to_dict()))
    assert content["before"]["macs"] == 36 * 216 + 2880
    assert len(content["changes"]) == 4


def layer(kind: str, settings: str, name: str) -> LayerCost:
    return LayerCost(name, kind, settings, 1, 1, False, None, (1, 2), 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0, None)


def alignments(one: list[LayerCost], other: list[LayerCost]) -> int:
    """The largest sum of likenesses, over all ways to pair layers in order."""
    best = 0
    for count in range(min(len(one), len(other)) + 1):
        for a in itertools.combinations(one, count):
            for b in itertools.combinations(other, count):
                if all(x.kind == y.kind for x, y in zip(a, b, strict=True)):
                    best = max(best, sum(_likeness(_key(x), _key(y)) for x, y in zip(a, b, strict=True)))
    return best


@pytest.mark.parametrize("seed", range(20))
def test_the_alignment_is_the_best_of_all(seed: int) -> None:
    draw = random.Random(seed)
    one, other = (
        [layer(draw.choice("AB"), draw.choice("xy"), draw.choice("mn")) for _ in range(draw.randint(0, 6))]
        for _ in range(2)
    )
    pairs = align(one, other)
    assert [a for a, _ in pairs if a is not None] == one
    assert [b for _, b in pairs if b is not None] == other
    assert all(a.kind == b.kind for a, b in pairs if a is not None and b is not None)
    found = sum(_likeness(_key(a), _key(b)) for a, b in pairs if a is not None and b is not None)
    assert found == alignments(one, other)

"""Plans as values: to JSON and back, and rows for a report."""

from __future__ import annotations

import json

import pytest

from convnets.kernels.convolutions.plan import ONEDNN, ConvolutionPlan, describe
from convnets.kernels.convolutions.shape import ConvolutionShape

PLAN = ConvolutionPlan(
    "im2col",
    "onednn",
    "product",
    seconds={
        "forward": {"onednn": 4e-3, "im2col": 1e-3},
        "input_gradient": {"onednn": 2e-3},
        "weight_gradient": {"product": 1e-3},
    },
    dropped={"weight_gradient": {"onednn": "relative error 1"}},
)


def test_a_plan_survives_json() -> None:
    found = ConvolutionPlan.from_dict(json.loads(json.dumps(PLAN.to_dict())))
    assert found == PLAN
    assert found.seconds == PLAN.seconds
    assert found.dropped == PLAN.dropped
    assert ConvolutionPlan.from_dict(ONEDNN.to_dict()) == ONEDNN


@pytest.mark.parametrize("values", [None, [], {}, {"forward": "x"}, {**PLAN.to_dict(), "seconds": 3}])
def test_other_values_are_no_plan(values: object) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        ConvolutionPlan.from_dict(values)


def test_rows_say_kernel_speed_and_gain() -> None:
    shape = ConvolutionShape(1, 10, 10, 10, 10, (1, 1))  # 10,000 MACs
    rows = describe({shape: PLAN})
    assert [(row.direction, row.kernel) for row in rows] == [
        ("forward", "im2col"),
        ("input_gradient", "onednn"),
        ("weight_gradient", "product"),
    ]
    assert [row.gflops for row in rows] == pytest.approx([0.02, 0.01, 0.02])
    assert [row.speed_up for row in rows] == [4.0, 1.0, None]
    assert {row.shape for row in rows} == {shape.key()}
    assert describe({shape: ONEDNN}) == []

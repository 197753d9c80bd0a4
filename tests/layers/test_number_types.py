"""Whole numbers and booleans: what PyTorch's own operations make of the same numbers in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convnets import layers
from convnets.errors import InputError
from convnets.layers.global_pooling import POOLINGS, pool
from convnets.layers.normalization import batch_statistics

MAPS = torch.tensor([[[[100, 100, 1], [0, 100, 100], [2, 100, 3]]], [[[7, 1, 9], [90, 0, 0], [0, 5, 100]]]])
KERNEL = torch.tensor([[[[2, 2], [2, 1]]]])
HALVES = KERNEL * 0.5
SCORES = torch.tensor([[-100, 100, 0], [0, 1, 2]])
POSITIVE = torch.tensor([[0, 100, 1], [0, 1, 2]])
WEIGHTS = torch.tensor([[2, 2, 2], [3, 0, 3]])
TARGETS = torch.tensor([2, 0])
TYPES = [torch.int64, torch.int32, torch.int8, torch.uint8]
Operation = Callable[[Tensor], Tensor]


def evaluated_batch_norm(x: Tensor) -> Tensor:
    return layers.BatchNorm(1).eval()(x)


CASES: dict[str, tuple[Tensor, Operation, Operation]] = {
    "convolution": (
        MAPS,
        lambda x: layers.cross_correlation(x, KERNEL.to(x.dtype)),
        lambda x: F.conv2d(x, KERNEL.double()),
    ),
    "convolution by halves": (
        MAPS,
        lambda x: layers.cross_correlation(x, HALVES),
        lambda x: F.conv2d(x, HALVES.double()),
    ),
    "pointwise": (MAPS, lambda x: layers.pointwise_convolution(x, HALVES[:, :, 1:, 1:]), lambda x: x / 2),
    "linear": (
        MAPS,
        lambda x: layers.linear(x, WEIGHTS.to(x.dtype)),
        lambda x: F.linear(x, WEIGHTS.double()),
    ),
    "linear by halves": (
        MAPS,
        lambda x: layers.linear(x, WEIGHTS / 2),
        lambda x: F.linear(x, WEIGHTS.double() / 2),
    ),
    "max-pooling": (
        MAPS,
        lambda x: layers.max_pool(x, 2, padding=1),
        lambda x: F.max_pool2d(x, 2, padding=1),
    ),
    "average pooling": (MAPS, lambda x: layers.average_pool(x, 2), lambda x: F.avg_pool2d(x, 2)),
    "adaptive average": (
        MAPS,
        lambda x: layers.adaptive_average_pool(x, 2),
        lambda x: F.adaptive_avg_pool2d(x, 2),
    ),
    "adaptive maximum": (
        MAPS,
        lambda x: layers.adaptive_max_pool(x, 2),
        lambda x: F.adaptive_max_pool2d(x, 2),
    ),
    "global average": (MAPS, layers.global_average_pool, lambda x: F.adaptive_avg_pool2d(x, 1)),
    "softmax": (POSITIVE, layers.softmax, lambda x: F.softmax(x, -1)),
    "log softmax": (POSITIVE, layers.log_softmax, lambda x: F.log_softmax(x, -1)),
    "log sum exp": (POSITIVE, layers.log_sum_exp, lambda x: x.logsumexp(-1)),
    "cross-entropy": (
        POSITIVE,
        lambda x: layers.cross_entropy(x, TARGETS, 0.1),
        lambda x: F.cross_entropy(x, TARGETS, label_smoothing=0.1),
    ),
    "rescaled sigmoid": (POSITIVE, layers.rescaled_sigmoid, lambda x: 2 * torch.tanh(x / 2)),
    "batch norm, training": (
        MAPS,
        lambda x: layers.BatchNorm(1)(x),
        lambda x: F.batch_norm(x, None, None, training=True),
    ),
    "batch norm, prediction": (MAPS, evaluated_batch_norm, lambda x: x / (1 + 1e-5) ** 0.5),
    "batch norm of its parts": (
        MAPS,
        lambda x: layers.batch_norm(x, *[torch.tensor([50], dtype=x.dtype)] * 2),
        lambda x: (x - 50) / (50 + 1e-5) ** 0.5,
    ),
    "batch statistics": (
        MAPS,
        lambda x: torch.stack(batch_statistics(x)),
        lambda x: torch.stack([x.mean()[None], x.var(correction=0)[None]]),
    ),
}


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_whole_numbers_give_what_float64_gives(name: str, dtype: torch.dtype) -> None:
    given, own, theirs = CASES[name]
    found = own(given.to(dtype))
    expected = theirs(given.double())
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", ["softmax", "log softmax", "log sum exp"])
def test_differences_of_small_whole_numbers_do_not_run_over(name: str) -> None:
    _, own, theirs = CASES[name]
    torch.testing.assert_close(own(SCORES.to(torch.int8)).double(), theirs(SCORES.double()))


@pytest.mark.parametrize("pooling", [each for each in POOLINGS if each != "flatten"])
def test_maps_of_whole_numbers_are_pooled_as_floats(pooling: str) -> None:
    expected = pool(MAPS.double(), pooling, grid=2)
    for dtype in TYPES:
        torch.testing.assert_close(pool(MAPS.to(dtype), pooling, grid=2).double(), expected)


def test_booleans_are_counted() -> None:
    mask = MAPS > 50
    found = layers.cross_correlation(mask, torch.ones(1, 1, 3, 3, dtype=torch.bool))
    assert found.flatten().tolist() == [5, 2]
    assert layers.linear(mask.flatten(1), torch.ones(1, 9, dtype=torch.bool)).flatten().tolist() == [5, 2]
    assert layers.global_average_pool(mask).flatten().tolist() == pytest.approx([5 / 9, 2 / 9])


@pytest.mark.parametrize(
    "targets",
    [torch.rand(3), torch.rand(3, 1), torch.eye(3, dtype=torch.int64), torch.tensor([True, False, True])],
)
def test_targets_that_would_be_spread_over_the_classes_are_refused(targets: Tensor) -> None:
    with pytest.raises(
        InputError, match=r"cross-entropy got .* targets .*; allowed: .*; use \.(long|float)\(\)"
    ):
        layers.cross_entropy(torch.rand(3, 3), targets)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_class_indices_of_any_whole_type(dtype: torch.dtype) -> None:
    logits, targets = torch.randn(3, 4), torch.tensor([1, 0, 3])
    found = layers.cross_entropy(logits, targets.to(dtype))
    torch.testing.assert_close(found, F.cross_entropy(logits, targets))

"""The norm over gradients against float64, compiled and by PyTorch, and what is not finite in any of their places."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from convnets.kernels import gradient_norm as room
from convnets.kernels.compiled import compiled_kernels
from convnets.kernels.gradient_norm import gradient_norm


@pytest.fixture(params=["compiled", "plain"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "plain":
        monkeypatch.setattr(room, "compiled_kernels", lambda: None)
    else:
        assert compiled_kernels() is not None


def gradients() -> list[Tensor]:
    """Of every kind that a network has: one number, few, many, channels-last, a strided view."""
    torch.manual_seed(0)
    return [
        torch.randn(()),
        torch.randn(10),
        torch.randn(333, 777),
        torch.randn(16, 8, 3, 3).to(memory_format=torch.channels_last),
        torch.empty(0),
    ]


def slow(tensors: list[Tensor]) -> float:
    return sum(float(each.double().square().sum()) for each in tensors) ** 0.5


@pytest.mark.usefixtures("_way")
def test_it_is_the_root_of_the_sum_of_squares() -> None:
    tensors = gradients()
    assert gradient_norm(tensors) == pytest.approx(slow(tensors), rel=1e-5)
    assert gradient_norm([]) == 0.0


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("other", ["strided", "double", "bfloat16"])
def test_tensors_of_other_kinds_count_alike(other: str) -> None:
    odd = {
        "strided": torch.randn(6, 6)[:, ::2],
        "double": torch.randn(5, dtype=torch.float64),
        "bfloat16": torch.randn(5).bfloat16(),
    }[other]
    tensors = [*gradients(), odd]
    assert gradient_norm(tensors) == pytest.approx(slow(tensors), rel=1e-2 if other == "bfloat16" else 1e-5)


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("spoilt", [torch.nan, torch.inf, -torch.inf], ids=["nan", "inf", "-inf"])
@pytest.mark.parametrize("which", range(4))
def test_one_number_that_is_not_finite_is_seen(spoilt: float, which: int) -> None:
    tensors = gradients()
    flat = tensors[which].flatten()
    flat[len(flat) // 2] = spoilt
    tensors[which] = flat.reshape(tensors[which].shape)
    assert not gradient_norm(tensors) < torch.inf


def test_large_finite_gradients_are_finite() -> None:
    assert gradient_norm([torch.full((100,), 1e30)]) == pytest.approx(1e31)

"""Operations and blocks against PyTorch's own, and the book's names of their parts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from convnets import d2l
from convnets.errors import ConfigError, InputError


@pytest.mark.parametrize(
    ("X", "K", "dtype"),
    [
        (torch.arange(4).reshape(2, 2), torch.tensor([[0.5]]), torch.float32),
        (torch.arange(12).reshape(3, 4), torch.tensor([[1, 2], [3, -4]]), torch.float32),
        (torch.full((2, 3), 200, dtype=torch.uint8), torch.full((2, 2), 3, dtype=torch.uint8), torch.float32),
        (torch.rand(4, 3), torch.rand(2, 3, dtype=torch.float64), torch.float64),
        (torch.rand(4, 3) > 0.5, torch.tensor([[True, True]]), torch.float32),
        (torch.rand(3, 3, dtype=torch.float16), torch.tensor([[2]]), torch.float16),
    ],
)
def test_corr2d_of_all_types_is_what_float64_gives(X: Tensor, K: Tensor, dtype: torch.dtype) -> None:
    expected = torch.nn.functional.conv2d(X[None, None].double(), K[None, None].double())[0, 0]
    found = d2l.corr2d(X, K)
    assert found.dtype is dtype
    torch.testing.assert_close(found, expected.to(dtype))


def test_corr2d_learns_its_kernel() -> None:
    K = torch.tensor([[1.0, 2.0]], requires_grad=True)
    d2l.corr2d(torch.arange(6).reshape(2, 3), K).sum().backward()
    assert K.grad is not None
    assert K.grad.tolist() == [[0 + 1 + 3 + 4, 1 + 2 + 4 + 5]]


@pytest.mark.parametrize(("picture", "kernel"), [((1, 4, 4), (2, 2)), ((4, 4), (2,)), ((4, 4), (2, 5))])
def test_corr2d_says_what_it_takes(picture: tuple[int, ...], kernel: tuple[int, ...]) -> None:
    with pytest.raises(
        InputError, match=r"corr2d got a picture \(.*\) and a kernel \(.*\); allowed: H×W and h×w"
    ):
        d2l.corr2d(torch.rand(picture), torch.rand(kernel))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((64,), {}),
        ((), {"num_channels": 64}),
        ((64, True, 2), {}),
        ((64, True), {"strides": 2}),
        ((64,), {"use_1x1conv": True, "strides": 2}),
        ((), {"num_channels": 64, "use_1x1conv": True, "strides": 2}),
        ((3, 64, True, 2), {}),
        ((3, 64), {"use_1x1conv": True, "strides": 2}),
        ((), {"input_channels": 3, "num_channels": 64, "use_1x1conv": True, "strides": 2}),
    ],
)
def test_residual_takes_the_arguments_of_both_editions(
    arguments: tuple[Any, ...], named: dict[str, Any]
) -> None:
    halves = len(arguments) + len(named) > 1
    block = d2l.Residual(*arguments, **named)
    given = torch.rand(2, 3 if halves else 64, 6, 6)
    assert block(given).shape == ((2, 64, 3, 3) if halves else (2, 64, 6, 6))
    assert (block.conv3 is not None) is halves


def test_residual_without_channels_says_so() -> None:
    with pytest.raises(
        ConfigError, match=r"Residual has no num_channels; allowed: 1 or more, such as Residual\(64\)"
    ):
        d2l.Residual(use_1x1conv=True)


def keys_of_the_book(in_channels: int, num_classes: int) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of the state dict that the book's own `resnet18` has, in its order."""
    found: dict[str, tuple[int, ...]] = {}

    def norm(name: str, width: int) -> None:
        found.update(
            {f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")}
        )
        found[f"{name}.num_batches_tracked"] = ()

    def convolution(name: str, width: int, before: int, side: int) -> None:
        found.update({f"{name}.weight": (width, before, side, side), f"{name}.bias": (width,)})

    convolution("0", 64, in_channels, 3)
    norm("1", 64)
    for stage, (before, width) in enumerate([(64, 64), (64, 128), (128, 256), (256, 512)], 1):
        for place in range(2):
            name = f"resnet_block{stage}.{place}"
            convolution(f"{name}.conv1", width, width if place else before, 3)
            convolution(f"{name}.conv2", width, width, 3)
            if stage > 1 and place == 0:
                convolution(f"{name}.conv3", width, before, 1)
            norm(f"{name}.bn1", width)
            norm(f"{name}.bn2", width)
    found.update({"fc.1.weight": (num_classes, 512), "fc.1.bias": (num_classes,)})
    return found


def test_resnet18_has_the_books_parts() -> None:
    net = d2l.resnet18(10, in_channels=3)
    assert isinstance(net[0], torch.nn.Conv2d)
    blocks = [f"resnet_block{number}" for number in (1, 2, 3, 4)]
    assert [name for name, _ in net.named_children()] == ["0", "1", "2", *blocks, "global_avg_pool", "fc"]
    state = net.state_dict()
    assert [(key, tuple(value.shape)) for key, value in state.items()] == list(
        keys_of_the_book(3, 10).items()
    )
    saved = {key: torch.rand(shape) for key, shape in keys_of_the_book(3, 10).items()}
    net.load_state_dict(saved)
    torch.testing.assert_close(net.fc[1].weight, saved["fc.1.weight"])  # type: ignore[index]

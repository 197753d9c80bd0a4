"""Sizes, names and the memory layout."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convnets.errors import ConfigError
from convnets.kernels.convolutions.shape import ConvolutionShape, channels_last


@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (5, 2)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
@pytest.mark.parametrize("padding", [(0, 0), (2, 1)])
def test_output_size_and_macs_are_those_of_the_layer(
    kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]
) -> None:
    layer = nn.Conv2d(3, 7, kernel, stride, padding, device="meta")
    x = torch.empty(4, 3, 11, 9, device="meta")
    shape = ConvolutionShape.of_module(layer, x, torch.float32, needs_input_gradient=True)
    y = layer(x)
    assert shape.output_size == y.shape[2:]
    assert shape.macs == y.numel() * layer.weight[0].numel()


def test_macs_are_those_that_pytorch_counts() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    layer, x = nn.Conv2d(3, 7, 3, 2, 1, device="meta"), torch.empty(4, 3, 11, 9, device="meta")
    with FlopCounterMode(display=False) as counter:
        layer(x)
    shape = ConvolutionShape.of_module(layer, x, torch.float32, needs_input_gradient=True)
    assert counter.get_total_flops() == 2 * shape.macs


def test_keys_tell_all_fields_apart() -> None:
    base = ConvolutionShape(2, 3, 8, 9, 4, (3, 3))
    others = {
        "batch": 3, "in_channels": 4, "height": 9, "width": 8, "out_channels": 5, "kernel": (1, 3),
        "stride": (1, 2), "padding": (1, 0), "bias": False, "dtype": "fp32", "needs_input_gradient": False,
    }  # fmt: skip
    assert set(others) == set(base.__dict__)
    keys = {ConvolutionShape(**{**base.__dict__, name: value}).key() for name, value in others.items()}
    assert len(keys | {base.key()}) == len(others) + 1


def test_other_convolutions_are_refused() -> None:
    plain = nn.Conv2d(4, 4, 3, padding=1)
    assert ConvolutionShape.supports(plain)
    for layer in (
        nn.Conv2d(4, 4, 3, groups=2),
        nn.Conv2d(4, 4, 3, dilation=2),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.ConvTranspose2d(4, 4, 3),
        nn.Linear(4, 4),
    ):
        assert not ConvolutionShape.supports(layer)
        with pytest.raises(ConfigError, match="has no convolution shape"):
            ConvolutionShape.of_module(layer, torch.empty(1, 4, 8, 8), torch.float32, True)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="dtype is 'fp16'; allowed: bf16, fp32, fp64"):
        ConvolutionShape(1, 1, 1, 1, 1, (1, 1), dtype="fp16")


def test_channels_last_copies_only_what_is_not() -> None:
    x = torch.randn(2, 3, 4, 5)
    last = channels_last(x)
    assert torch.equal(last, x)
    assert last.stride() == (60, 1, 15, 3)
    assert channels_last(last).data_ptr() == last.data_ptr()
    for sizes in ((2, 1, 4, 5), (1, 3, 1, 1), (2, 3, 1, 1)):
        one = torch.randn(sizes)
        found = channels_last(one)
        _, channels, height, width = sizes
        assert torch.equal(found, one)
        assert found.stride() == (channels * height * width, 1, channels * width, channels)
        assert channels_last(found).data_ptr() == found.data_ptr()

"""Causal convolutions: nothing of the future, and the sums of a loop."""

from __future__ import annotations

import pytest
import torch

from convnets.errors import ConfigError
from convnets.layers.causal import CausalConv1d
from convnets.models.catalogue import create_model


def test_it_is_the_sum_of_a_loop() -> None:
    torch.manual_seed(0)
    layer, x = CausalConv1d(2, 3, kernel_size=3, dilation=2).double(), torch.randn(1, 2, 9).double()
    weight, bias = layer.convolution.weight, layer.convolution.bias
    assert bias is not None
    found = layer(x)
    for out in range(3):
        for step in range(9):
            total = bias[out].clone()
            for channel in range(2):
                for tap in range(3):
                    back = step - (2 - tap) * 2
                    if back >= 0:
                        total = total + weight[out, channel, tap] * x[0, channel, back]
            assert torch.isclose(found[0, out, step], total)


def test_no_step_of_the_network_sees_the_future_and_the_last_sees_253_steps() -> None:
    network = create_model("tcn", seed=0).eval()
    x = torch.randn(1, 1, 300, requires_grad=True)
    features = network.features(x)
    (gradient,) = torch.autograd.grad(features[0, :, 270].sum(), x)
    seen = gradient[0, 0].nonzero()[:, 0]
    assert (int(seen.min()), int(seen.max())) == (270 - 252, 270)


@pytest.mark.parametrize("options", [{"kernel_size": 0}, {"kernel_size": 3, "dilation": True}])
def test_bad_options_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="allowed: a whole number, 1 or more"):
        CausalConv1d(1, 1, **options)

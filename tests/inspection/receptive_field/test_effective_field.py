"""Effective receptive fields: the gradient itself, by another route."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from convnets.errors import InputError, UnknownNameError
from convnets.inspection.receptive_field.effective_field import EffectiveField, effective_field
from convnets.models.catalogue import create_model


def test_the_weights_are_finite_differences_of_the_unit() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Conv2d(3, 2, 3, stride=2)).double()
    images = torch.rand(2, 2, 9, 9, dtype=torch.float64)
    found = effective_field(network, "2", (2, 9, 9), unit=(1, 0), images=images)
    expected = np.zeros((9, 9))
    step = 1e-5
    for image in images:
        for channel, row, column in np.ndindex(2, 9, 9):
            nudge = torch.zeros_like(image)
            nudge[channel, row, column] = step
            ends = [network((image + sign * nudge)[None])[0, :, 1, 0].sum().item() for sign in (1, -1)]
            expected[row, column] += abs(ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(found.weights, expected / expected.sum(), atol=1e-8)
    assert found.box == (2, 6, 0, 4)
    assert found.images == 2


def test_one_convolution_of_ones_is_flat_and_two_are_a_triangle() -> None:
    network = nn.Sequential(*(nn.Conv2d(1, 1, 5, padding=2) for _ in range(2)))
    for weight in network.parameters():
        nn.init.ones_(weight)
    flat = effective_field(network, "0", (1, 21, 21)).weights
    np.testing.assert_allclose(flat[8:13, 8:13], 1 / 25)
    triangle = effective_field(network, "1", (1, 21, 21)).weights.sum(0)
    np.testing.assert_allclose(triangle[6:15], np.array([1, 2, 3, 4, 5, 4, 3, 2, 1]) / 25, rtol=1e-6)


def test_a_function_inside_a_block_has_a_field_before_it_is_changed_in_place() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(inplace=True))
    nn.init.constant_(network[0].weight, -1.0)
    images = torch.ones(1, 1, 7, 7)
    assert effective_field(network, "0", (1, 7, 7), images=images).weights.sum() == pytest.approx(1)
    assert effective_field(network, "1", (1, 7, 7), images=images).weights.sum() == 0


def test_the_effective_field_is_smaller_than_the_theoretical_one() -> None:
    found = effective_field(create_model("resnet20", seed=0), "stage3.2.relu (2)", images=4)
    top, bottom, left, right = found.box
    assert (bottom - top + 1, right - left + 1) == (32, 32)
    assert found.side_of(0.5) < found.side_of(0.9) <= 32
    assert found.to_dict()["side_of_half"] == found.side_of(0.5)
    assert f"half of the gradient lies within {found.side_of(0.5)} pixels" in str(found)
    assert found._repr_svg_().startswith("<svg")


@pytest.mark.parametrize(("share", "side"), [(1 / 25, 1), (9 / 25, 3), (0.37, 5), (1.0, 5)])
def test_the_side_of_a_share(share: float, side: int) -> None:
    weights = np.zeros((11, 11))
    weights[2:7, 4:9] = 1 / 25
    assert EffectiveField("x", (0, 0), weights, (2, 6, 4, 8), 1).side_of(share) == side


def test_the_network_is_left_as_found_and_no_gradient_stays() -> None:
    network = create_model("lenet_bn").train()
    effective_field(network, "convolutions.0", images=2)
    assert network.training
    assert all(weight.grad is None for weight in network.parameters())
    assert int(network.get_buffer("convolutions.1.num_batches_tracked")) == 0


def test_what_is_not_there_is_refused() -> None:
    network = create_model("lenet")
    with pytest.raises(UnknownNameError, match=r"nearest: convolutions\.5"):
        effective_field(network, "convolution.5")
    with pytest.raises(UnknownNameError, match="unknown layer 'classifier'"):
        effective_field(network, "classifier")  # it has no maps
    with pytest.raises(InputError, match="rows 0 to 4"):
        effective_field(network, "convolutions.5", unit=(5, 0))
    with pytest.raises(InputError, match="1 or more"):
        effective_field(network, "convolutions.5", images=0)
    with torch.device("meta"), pytest.raises(InputError, match="meta"):
        effective_field(create_model("lenet"), "convolutions.5")
    with pytest.raises(InputError, match="share"):
        effective_field(network, "convolutions.5", images=1).side_of(0)

"""Any network of the catalogue at its size: looked into without a special case, or refused with the reason."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from convnets import explain
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import InputError
from convnets.explanation.ablation.ablate import ablate
from convnets.explanation.ablation.parts import Part
from convnets.explanation.inside.feature_maps import feature_maps
from convnets.explanation.inside.patches import find_patches
from convnets.explanation.representations.cka_matrix import compare_layers
from convnets.models.catalogue import create_model, list_models, model_entry

NAMES = [name for name in list_models() if model_entry(name).input_size <= 96]
FLAT = ("linear", "softmax", "mlp")
"""They have no feature maps."""


@pytest.mark.parametrize("name", [*NAMES, "nin"])
def test_a_network_is_looked_into_at_its_size(name: str) -> None:
    network = create_model(name, num_classes=3, seed=0).train()
    side, channels = model_entry(name).input_size, network.in_channels
    pixels = torch.randint(256, (4, channels, side, side), generator=torch.Generator().manual_seed(0))
    images = ImageSet(pixels.to(torch.uint8), [0, 1, 2, 0], ("a", "b", "c"))
    preprocess = Preprocess.plain(channels, side)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    x = preprocess(images.pixels[:1])
    if name in FLAT:
        with pytest.raises(InputError, match="no layer with feature maps"):
            feature_maps(network, x)
        return
    found = feature_maps(network, x, "stages")
    assert all(values.ndim == 3 for values in found.layers.values())
    patches = find_patches(network, images, preprocess, count=2)
    for patch in (patch for best in patches.patches.values() for patch in best):
        top, bottom, left, right = patch.box
        assert 0 <= top < bottom <= side
        assert 0 <= left < right <= side
    matrix = compare_layers(network, images, preprocess, layers="stages", batch_size=4)
    assert len(matrix.rows) == len(found.layers)
    layer = next(reversed(found.layers))
    effect = ablate(network, images, preprocess, [Part(layer)]).effects[0]
    assert effect.probability_change != 0
    assert all(module.training for module in network.modules())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("name", [*NAMES, "nin"])
def test_a_network_is_explained_at_its_size(name: str) -> None:
    network = create_model(name, num_classes=3, seed=0).train()
    side, channels = model_entry(name).input_size, network.in_channels
    images = torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(0))
    for method in ("gradient", "grad-cam", "guided-backpropagation", "lrp"):
        try:
            found = explain(network, images, method=method)
        except InputError as error:  # of methods that have no rule for an operation, which is named
            assert method in ("guided-backpropagation", "lrp") or (method == "grad-cam" and name in FLAT)
            assert "choose" in str(error)  # noqa: PT017  whether it is refused is not the same for all
            continue
        assert [each.map.shape for each in found] == [(side, side)] * 2
        assert all(np.isfinite(each.map).all() and each.native.any() for each in found)
    assert all(module.training for module in network.modules())
